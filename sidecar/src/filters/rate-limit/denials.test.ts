import { expect, test } from 'vitest';
import { Denials } from './denials.ts';

test('a refusal holds for as many units or more, until the store would admit', () => {
  const denials = new Denials(4);
  denials.remember('acme', 3, 1_000);
  expect(denials.waitUs('acme', 3, 400)).toBe(600);
  expect(denials.waitUs('acme', 5, 400)).toBe(600);
  expect(denials.waitUs('acme', 2, 400)).toBe(0);
  expect(denials.waitUs('acme', 3, 1_000)).toBe(0);
  expect(denials.waitUs('other', 3, 400)).toBe(0);
});

test('the last refusal of a key counts', () => {
  const denials = new Denials(4);
  denials.remember('acme', 1, 1_000);
  denials.remember('acme', 2, 2_000);
  expect([denials.waitUs('acme', 1, 500), denials.waitUs('acme', 2, 500), denials.size]).toEqual([
    0, 1_500, 1,
  ]);
});

test('only so many are remembered; the oldest is asked about again', () => {
  const denials = new Denials(2);
  for (const key of ['a', 'b', 'c']) denials.remember(key, 1, 1_000);
  expect(['a', 'b', 'c'].map((key) => denials.waitUs(key, 1, 0))).toEqual([0, 1_000, 1_000]);
  expect(denials.size).toBe(2);
});
