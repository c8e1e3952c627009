import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileChain } from '../../core/chain.ts';
import { travel } from '../hand-made-exchange.ts';
import { checkTracestate } from './trace-state.ts';

const chain = compileChain([]);

/** The lines that are left of these. */
function check(lines: readonly string[]): string[] {
  const { request } = travel({
    chain,
    fields: ['host: a', ...lines.map((line) => `tracestate: ${line}`)],
  }).exchange;
  checkTracestate(request);
  const rows = Array.from({ length: request.rows }, (_, row) => row).filter(
    (row) => request.dropped[row] === 0,
  );
  return rows
    .map((row) => request.bytes.toString('latin1', request.lineStart(row), request.valueEnd(row)))
    .filter((line) => line.startsWith('tracestate'))
    .map((line) => line.slice('tracestate: '.length));
}

/** The grammar of Trace Context level 2, section 3.3.1, said a second time. */
const MEMBER = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]$/;

function expected(lines: readonly string[]): string[] {
  const membersOf = (line: string) =>
    line
      .split(',')
      .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''))
      .filter((member) => member !== '');
  const all = lines.flatMap(membersOf);
  if (all.length > 32 || !all.every((member) => MEMBER.test(member))) return [];
  return lines.filter((line) => membersOf(line).length > 0);
}

describe('tracestate', () => {
  const text = (characters: string, maxLength: number) =>
    fc.string({ unit: fc.constantFrom(...characters), maxLength });
  const member = fc
    .tuple(text('az09', 1), text('az09_-*/@', 300), text('!a~ +-<>', 300))
    .map(([first, rest, value]) => `${first}${rest}=${value}`);
  const short = fc.tuple(text('az', 3), text('!a~', 3)).map(([key, value]) => `a${key}=${value}b`);
  const anything = text('a0A=,; \t@-\u00e9', 6);
  const line = fc
    .array(fc.oneof({ weight: 20, arbitrary: short }, member, anything, fc.constantFrom('', ' ', '\t ')), {
      maxLength: 20,
    })
    // As the scanner finds them: without whitespace at the ends.
    .map((members) => members.join(',').replace(/^[ \t]+|[ \t]+$/g, ''));

  test('is passed on line by line, or not at all, as the specification says', () => {
    let passed = 0;
    fc.assert(
      fc.property(fc.array(line, { maxLength: 4 }), (lines) => {
        const left = check(lines);
        expect(left).toEqual(expected(lines));
        if (left.length > 0) passed++;
      }),
      { numRuns: 1_000 },
    );
    expect(passed).toBeGreaterThan(0);
  });
});
