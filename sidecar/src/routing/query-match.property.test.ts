import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RequestHead } from '../protocol/head.ts';
import { scanRequestHead } from '../protocol/http1/request-head.ts';
import { QueryMatcher } from './query-match.ts';

// Letters that come in both spellings, signs that have a meaning only where they stand, and escapes that are none.
const name = fc.constantFrom('a', '%61', 'b', 'a+', 'a%2B', '%26', '%', '');
const value = fc.constantFrom('a', '%61', '%61b', 'a%62', '%2B', '+', '%3d', '=', '%', '%4', '%zz', '');
const part = fc.oneof(
  name,
  fc.tuple(name, value).map((both) => both.join('=')),
);
const query = fc.array(part, { maxLength: 4 }).map((parts) => parts.join('&'));

/** By hand, on strings: `decodeURIComponent` throws at what is no escape, where bytes stay as they are. */
function decode(part: string): string {
  return part.replace(/%([0-9a-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

function findValue(query: string, wanted: string): string | null {
  for (const part of query.split('&')) {
    const equals = part.indexOf('=');
    const [partName, value] = equals === -1 ? [part, ''] : [part.slice(0, equals), part.slice(equals + 1)];
    if (decode(partName) === wanted) return decode(value);
  }
  return null;
}

test('a parameter has the value that it has once its escapes are read', () => {
  let found = 0;
  fc.assert(
    fc.property(
      query,
      fc.constantFrom('a', 'ab', 'a+', '&', 'b'),
      fc.constantFrom('a', 'b', 'ab', '+', '=', '%'),
      (query, name, value) => {
        const raw = Buffer.from(`GET /?${query} HTTP/1.1\r\nhost: a\r\n\r\n`);
        const head = new RequestHead();
        fc.pre(scanRequestHead(head, raw, 0, raw.length) === raw.length);
        const expected = findValue(query, name) === value;
        if (expected) found++;
        expect(new QueryMatcher({ name, type: 'Exact', value }).matches(head)).toBe(expected);
        const pattern = value === '+' ? '\\+' : value;
        expect(new QueryMatcher({ name, type: 'RegularExpression', value: pattern }).matches(head)).toBe(
          expected,
        );
      },
    ),
    { numRuns: 3_000 },
  );
  expect(found).toBeGreaterThan(20);
});
