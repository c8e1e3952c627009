import { expect, test } from 'vitest';
import { percentileOf, spreadOf } from './statistics.ts';

test('the median of an odd and of an even number of values', () => {
  expect(spreadOf([5, 1, 9])).toEqual({ median: 5, min: 1, max: 9 });
  expect(spreadOf([4, 1, 2, 10])).toEqual({ median: 3, min: 1, max: 10 });
  expect(spreadOf([7])).toEqual({ median: 7, min: 7, max: 7 });
});

test('percentiles take the nearest rank', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(percentileOf(hundred, 0.5)).toBe(50);
  expect(percentileOf(hundred, 0.99)).toBe(99);
  expect(percentileOf([3], 0.99)).toBe(3);
});
