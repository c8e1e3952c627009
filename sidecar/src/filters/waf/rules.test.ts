import { expect, it } from 'vitest';
import { RULE_TAGS, RULES, RuleSet } from './rules.ts';

it('has ids that exceptions can name: no two the same, none that is a tag', () => {
  const names = [...RULES.map(({ id }) => id), ...RULE_TAGS];
  expect(new Set(names).size).toBe(names.length);
});

it('is found by its index', () => {
  expect(RULES.map(({ index }) => index)).toEqual(RULES.keys().toArray());
});

it('is found once in a value, at its first position', () => {
  const found = new RuleSet();
  const [first, second] = RULES as [(typeof RULES)[0], (typeof RULES)[0]];
  for (const [rule, position] of [
    [second, 3],
    [first, 5],
    [second, 7],
  ] as const)
    found.add(rule, position);
  expect([...found.indices.subarray(0, found.count)]).toEqual([1, 0]);
  expect([...found.positions.subarray(0, found.count)]).toEqual([3, 5]);
  found.clear();
  found.add(second, 1);
  expect(found.count).toBe(1);
});
