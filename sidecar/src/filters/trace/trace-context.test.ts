import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileChain } from '../../core/chain.ts';
import type { Exchange } from '../../core/exchange.ts';
import { hexText } from '../../observe/hex.ts';
import { travel } from '../hand-made-exchange.ts';
import { readB3, readTraceparent } from './trace-context.ts';

const hex = (digits: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'), { minLength: digits, maxLength: digits })
    .map((all) => all.join(''));
const id = (digits: number) => hex(digits).filter((text) => !/^0*$/.test(text));

const chain = compileChain([]);

interface Context {
  readonly traceId: string;
  readonly parentId: string;
  readonly sampled: boolean;
}

type Reader = (exchange: Exchange, bytes: Uint8Array, start: number, end: number) => boolean;

/** Reads from the middle of a buffer whose surroundings would be valid digits. */
function read(reader: Reader, text: string): Context | null {
  const { exchange } = travel({ chain });
  const bytes = Buffer.from(`00${text}00`, 'latin1');
  if (!reader(exchange, bytes, 2, bytes.length - 2)) return null;
  const { traceId0, traceId1, traceId2, traceId3, parentId0, parentId1, sampled } = exchange;
  return {
    traceId: [traceId0, traceId1, traceId2, traceId3].map(hexText).join(''),
    parentId: [parentId0, parentId1].map(hexText).join(''),
    sampled,
  };
}

/** The grammar of Trace Context section 3.2, said a second time. */
function expectedTraceparent(text: string): Context | null {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/s.exec(text);
  if (match === null) return null;
  const [, version, traceId = '', parentId = '', flags = '', rest] = match;
  if (version === 'ff' || (version === '00' && rest !== undefined)) return null;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return null;
  return { traceId, parentId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

function expectedB3(text: string): Context | null {
  const match = /^([0-9a-f]{32}|[0-9a-f]{16})-([0-9a-f]{16})(?:-([01d])(?:-[0-9a-f]{16})?)?$/.exec(text);
  if (match === null) return null;
  const [, traceId = '', parentId = '', decision = '0'] = match;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return null;
  return { traceId: traceId.padStart(32, '0'), parentId, sampled: decision !== '0' };
}

/** The text with one place changed, cut, doubled or left as it is. */
function nearly(valid: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const damage = fc.tuple(
    fc.nat(120),
    fc.constantFrom('keep', 'set', 'cut', 'insert'),
    fc.constantFrom(...'-0fF gd\u00ff'),
  );
  return fc.tuple(valid, damage).map(([text, [place, how, char]]) => {
    const at = place % (text.length + 1);
    if (how === 'keep') return text;
    if (how === 'set') return text.slice(0, at) + char + text.slice(at + 1);
    return how === 'cut' ? text.slice(0, at) : text.slice(0, at) + char + text.slice(at);
  });
}

const traceparent = fc
  .tuple(fc.oneof(fc.constant('00'), hex(2)), fc.oneof(id(32), hex(32)), fc.oneof(id(16), hex(16)), hex(2))
  .map((parts) => parts.join('-'));
const b3 = fc
  .tuple(
    fc.oneof(id(32), id(16)),
    id(16),
    fc.constantFrom('', '-0', '-1', '-d'),
    fc.oneof(
      fc.constant(''),
      id(16).map((text) => `-${text}`),
    ),
  )
  .map(([trace, span, decision, parent]) => `${trace}-${span}${decision}${decision === '' ? '' : parent}`);

describe('traceparent', () => {
  test('is read as the specification says, or not at all', () => {
    fc.assert(
      fc.property(nearly(traceparent), (text) => {
        expect(read(readTraceparent, text)).toEqual(expectedTraceparent(text));
      }),
      { numRuns: 2_000 },
    );
  });

  const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
  const SPAN = '00f067aa0ba902b7';
  test.each([
    ['sampled', `00-${TRACE}-${SPAN}-01`, true],
    ['not sampled', `00-${TRACE}-${SPAN}-00`, false],
    ['with flags of later levels', `00-${TRACE}-${SPAN}-03`, true],
    ['of a later version', `cc-${TRACE}-${SPAN}-01-what-the-future-will-be`, true],
  ])('%s', (_what, text, sampled) => {
    expect(read(readTraceparent, text)).toEqual({ traceId: TRACE, parentId: SPAN, sampled });
  });

  test.each([
    ['version ff', `ff-${TRACE}-${SPAN}-01`],
    ['more behind version 00', `00-${TRACE}-${SPAN}-01-x`],
    ['a later version without a dash', `cc-${TRACE}-${SPAN}-01x`],
    ['no trace id', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['no parent id', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['upper case', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['nothing', ''],
  ])('refused: %s', (_what, text) => {
    expect(read(readTraceparent, text)).toBeNull();
  });
});

describe('b3', () => {
  test('is read as the specification says, or not at all', () => {
    fc.assert(
      fc.property(nearly(b3), (text) => {
        expect(read(readB3, text)).toEqual(expectedB3(text));
      }),
      { numRuns: 2_000 },
    );
  });

  test.each(['0', '1', 'd', '', '-'])('refused: %j holds no ids', (text) => {
    expect(read(readB3, text)).toBeNull();
  });
});
