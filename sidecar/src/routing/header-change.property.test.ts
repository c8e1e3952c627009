import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RequestHead } from '../protocol/head.ts';
import { copyRequestHead } from '../protocol/head-copy.ts';
import { scanRequestHead } from '../protocol/http1/request-head.ts';
import { HeaderChange } from './header-change.ts';

const name = fc.constantFrom('x-a', 'x-b', 'user-agent', 'accept', 'x-request-id');
const value = fc.stringMatching(/^[!-~]{0,8}$/);
const values = fc.uniqueArray(fc.record({ name, value }), { selector: ({ name }) => name, maxLength: 3 });
const changes = fc.record({ set: values, add: values, remove: fc.uniqueArray(name, { maxLength: 2 }) });
const lines = fc.array(fc.tuple(fc.boolean(), name, value), { maxLength: 6 });

/** What is forwarded, line by line. */
function linesOf(head: RequestHead): [string, string][] {
  const all: [string, string][] = [];
  for (let row = 0; row < head.rows; row++) {
    if (head.dropped[row] === 1) continue;
    const text = (start: number, end: number) => head.bytes.toString('latin1', start, end);
    all.push([
      text(head.lineStart(row), head.nameEnd(row)).toLowerCase(),
      text(head.valueStart(row), head.valueEnd(row)),
    ]);
  }
  return all;
}

/** Of all fields, so that none is forgotten in a copy; what is kept of a head that is not all there is no part of it. */
function scalarsOf(head: RequestHead): unknown {
  return Object.entries(head).filter(([key, value]) => typeof value !== 'object' && key !== 'collected');
}

test('heads come out as a list of lines would that is changed in order, and a copy of a head is the same', () => {
  fc.assert(
    fc.property(lines, changes, (given, change) => {
      const written = given.map(([upper, name, value]) => `${upper ? name.toUpperCase() : name}: ${value}`);
      const raw = Buffer.from(['GET /p?q HTTP/1.1', 'host: a', ...written, '', ''].join('\r\n'), 'latin1');
      const head = new RequestHead();
      expect(scanRequestHead(head, raw, 0, raw.length)).toBe(raw.length);
      new HeaderChange(change).apply(head);

      const gone = new Set<string>([...change.remove, ...change.set.map(({ name }) => name)]);
      const kept = [['host', 'a'], ...given.map(([, name, value]) => [name, value])].filter(
        ([name]) => !gone.has(name as string),
      );
      const added = [...change.set, ...change.add].map(({ name, value }) => [name, value]);
      expect(linesOf(head)).toEqual([...kept, ...added]);

      const copy = copyRequestHead(head);
      expect(linesOf(copy)).toEqual(linesOf(head));
      expect(scalarsOf(copy)).toEqual(scalarsOf(head));
      copy.add('x-more', '1');
      expect(linesOf(head)).toEqual([...kept, ...added]);
    }),
  );
});
