// Runs one scenario with one policy: how long until it is as good as before, and what it cost.
import { Ledger, percentile } from './ledger.ts';
import { type Scenario, usualOf } from './scenarios.ts';
import { World } from './world.ts';

export interface Result {
  /** From the disturbance; null when it was not well at the end. */
  readonly recoveryMs: number | null;
  readonly succeeded: number;
  readonly failed: number;
  /** From the disturbance on, of what succeeded. */
  readonly p99Ms: number;
}

export function simulate(scenario: Scenario, policy: object | null, seed: number): Result {
  const world = new World(scenario.services(policy), seed);
  const ledger = new Ledger();
  scenario.play(world, ledger);
  world.runUntil(scenario.untilMs);
  const { disturbedMs, untilMs, isWell } = scenario;
  const usual = usualOf(ledger, scenario);
  const { succeeded, failed, latenciesMs } = ledger.between(disturbedMs, untilMs);
  return {
    recoveryMs: ledger.recoveryMs(disturbedMs, untilMs, (window) => isWell(window, usual)),
    succeeded,
    failed,
    p99Ms: percentile(latenciesMs, 0.99),
  };
}
