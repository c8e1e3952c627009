import { describe, expect, test } from 'vitest';
import { SCENARIOS, type Scenario } from './scenarios.ts';
import { simulate } from './simulate.ts';

const SEEDS = [7, 8];
const NEVER = Number.POSITIVE_INFINITY;
/** They take seconds, and minutes where many others are at work. */
const TIMEOUT_MS = 180_000;

/** The first policy is the one without, the last the best that there is. */
function bothEnds({ policies }: Scenario): [object | null, object | null] {
  const all = Object.values(policies);
  return [all[0] ?? null, all.at(-1) ?? null];
}

describe.each(SCENARIOS)('$name', (scenario) => {
  const [without, withPolicy] = bothEnds(scenario);

  test.each(SEEDS)(
    'is over earlier with a policy than without, seed %i',
    (seed) => {
      const before = simulate(scenario, without, seed);
      const after = simulate(scenario, withPolicy, seed);
      expect(after.recoveryMs).not.toBeNull();
      expect(after.recoveryMs).toBeLessThan(before.recoveryMs ?? NEVER);
      expect(after.succeeded).toBeGreaterThan(before.succeeded);
    },
    TIMEOUT_MS,
  );
});

test('the same seed has the same outcome', () => {
  const [scenario] = SCENARIOS;
  if (scenario === undefined) throw new Error('no scenario');
  const [without] = bothEnds(scenario);
  expect(simulate(scenario, without, 3)).toEqual(simulate(scenario, without, 3));
  expect(simulate(scenario, without, 3)).not.toEqual(simulate(scenario, without, 4));
});
