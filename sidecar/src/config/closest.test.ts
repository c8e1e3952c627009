import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { closest, editDistance } from './closest.ts';

const word = fc.string({ maxLength: 12 });

describe('editDistance', () => {
  test.each([
    ['inbound', 'inbound', 0],
    ['inbuond', 'inbound', 1],
    ['inbond', 'inbound', 1],
    ['innbound', 'inbound', 1],
    ['imbound', 'inbound', 1],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
  ])('%j to %j takes %i', (from, to, distance) => {
    expect(editDistance(from, to)).toBe(distance);
  });

  test('is a symmetric count between the difference in length and the longer length', () => {
    fc.assert(
      fc.property(word, word, (from, to) => {
        const distance = editDistance(from, to);
        expect(editDistance(to, from)).toBe(distance);
        expect(distance).toBeGreaterThanOrEqual(Math.abs(from.length - to.length));
        expect(distance).toBeLessThanOrEqual(Math.max(from.length, to.length));
        expect(distance === 0).toBe(from === to);
      }),
    );
  });

  test('is at most one for one mistake', () => {
    fc.assert(
      fc.property(word, fc.nat(12), fc.string({ maxLength: 1 }), fc.nat(1), (text, at, letter, cut) => {
        const cutAt = Math.min(at, text.length);
        expect(
          editDistance(text, text.slice(0, cutAt) + letter + text.slice(cutAt + cut)),
        ).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('closest', () => {
  const keys = ['listen', 'services', 'inbound', 'outbound', 'mtls'];

  test.each([
    ['inbuond', 'inbound'],
    ['Listen', 'listen'],
    ['service', 'services'],
    ['tls', 'mtls'],
    ['endpoint', null],
    ['x', null],
    ['', null],
  ])('%j is meant to be %j', (text, expected) => {
    expect(closest(text, keys)).toBe(expected);
  });
});
