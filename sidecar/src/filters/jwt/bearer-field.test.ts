import { expect, test } from 'vitest';
import { LIMITS } from '../../core/limits.ts';
import { RequestHead } from '../../protocol/head.ts';
import { scanRequestHead } from '../../protocol/http1/request-head.ts';
import { BearerField } from './bearer-field.ts';

/** The token, why there is none to look at, or null for no token. */
function find(fields: readonly string[], name = 'authorization'): string | null {
  const raw = Buffer.from(['GET / HTTP/1.1', 'host: a', ...fields, '', ''].join('\r\n'), 'latin1');
  const head = new RequestHead();
  expect(scanRequestHead(head, raw, 0, raw.length)).toBeGreaterThan(0);
  const field = new BearerField(name);
  if (!field.find(head)) return null;
  return field.refusal?.reason ?? head.bytes.toString('latin1', field.start, field.end);
}

test.each<[string[], string | null]>([
  [[], null],
  [['authorization: Bearer a.b.c'], 'a.b.c'],
  [['Authorization:   bEARER   a.b.c   '], 'a.b.c'],
  [['authorization: Bearer\ta.b.c'], 'a.b.c'],
  [['authorization: Basic YTpi'], null],
  [['authorization: Bearera.b.c'], null],
  [['authorization: Beare'], null],
  [['authorization: '], null],
  [['authorization: Bearer'], 'malformed'],
  [['authorization: Bearer  '], 'malformed'],
  [[`authorization: Bearer ${'x'.repeat(LIMITS.jwtBytes)}`], 'x'.repeat(LIMITS.jwtBytes)],
  [[`authorization: Bearer ${'x'.repeat(LIMITS.jwtBytes + 1)}`], 'too_large'],
  [['authorization: Bearer a', 'Authorization: Bearer b'], 'repeated'],
  [['authorization: Basic YTpi', 'authorization: Bearer b'], 'repeated'],
  [['x-token: a'], null],
])('%j', (fields, found) => {
  expect(find(fields)).toBe(found);
});

test.each<[string[], string | null]>([
  [['X-Token: a.b.c'], 'a.b.c'],
  [['authorization: Bearer a.b.c'], null],
  [['x-token:'], 'malformed'],
  [['x-token: a', 'x-token: a'], 'repeated'],
])('in a field of its own: %j', (fields, found) => {
  expect(find(fields, 'x-token')).toBe(found);
});

test('of a request that was looked at before nothing is left', () => {
  const field = new BearerField('x-token');
  const head = (fields: string) => {
    const raw = Buffer.from(`GET / HTTP/1.1\r\nhost: a\r\n${fields}\r\n`);
    const scanned = new RequestHead();
    scanRequestHead(scanned, raw, 0, raw.length);
    return scanned;
  };
  expect(field.find(head('x-token: a\r\nx-token: b\r\n'))).toBe(true);
  expect(field.find(head('x-token: c\r\n'))).toBe(true);
  expect(field.refusal).toBeNull();
});
