import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseSpiffeId } from './spiffe-id.ts';

test('takes an identity apart', () => {
  expect(parseSpiffeId('spiffe://demo.tulle.test/ns/demo/sa/gateway')).toEqual({
    trustDomain: 'demo.tulle.test',
    path: '/ns/demo/sa/gateway',
  });
});

test.each([
  ['https://demo/ns', 'does not start with spiffe://'],
  ['SPIFFE://demo/ns', 'does not start with spiffe://'],
  ['spiffe://demo', 'names a trust domain but no workload'],
  ['spiffe:///ns/a', 'has a malformed trust domain ""'],
  ['spiffe://Demo/ns', 'has a malformed trust domain "Demo"'],
  ['spiffe://demo:80/ns', 'has a malformed trust domain "demo:80"'],
  ['spiffe://a@demo/ns', 'has a malformed trust domain "a@demo"'],
  ['spiffe://demo/', 'has a malformed path segment ""'],
  ['spiffe://demo/ns//a', 'has a malformed path segment ""'],
  ['spiffe://demo/ns/../a', 'has a malformed path segment ".."'],
  ['spiffe://demo/ns/a?b', 'has a malformed path segment "a?b"'],
  ['spiffe://demo/ns/%61', 'has a malformed path segment "%61"'],
  [`spiffe://demo/${'a'.repeat(2048)}`, 'is longer than 2048 bytes'],
])('%j %s', (text, message) => {
  expect(parseSpiffeId(text)).toBe(message);
});

test('an identity that passes has one spelling: its parts put together give it back', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^spiffe:\/\/[a-zA-Z./%_-]{0,20}$/), (text) => {
      const id = parseSpiffeId(text);
      if (typeof id !== 'string') expect(`spiffe://${id.trustDomain}${id.path}`).toBe(text);
    }),
  );
});
