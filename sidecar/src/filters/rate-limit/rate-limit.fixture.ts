/**
 * For tests of rate limits: policies from what a config would say, limiters that are closed at the end, and reading what they counted.
 */
import { type Clock, systemClock } from '../../core/clock.ts';
import { spec } from './config.ts';
import type { Window } from './gcra.ts';
import type { PolicySpec } from './limit.ts';
import { RateLimits } from './rate-limits.ts';
import type { SharedStore } from './shared-store.ts';

export function policyOf(document: Record<string, unknown>, name = 'tenants'): PolicySpec {
  return { namespace: 'demo', name, spec: spec.parse(document) };
}

export interface OpenLimits {
  readonly limits: RateLimits;
  /** What was reported, in order. */
  readonly events: string[];
  /** `source decision` with its count, of one limit. */
  counts(limit: string, mode?: 'enforce' | 'shadow'): Record<string, number>;
  /** Of the one store. */
  failures(): Record<string, number>;
  storeIsUp(): boolean;
}

const opened: RateLimits[] = [];

export function openLimits(clock: Clock = systemClock): OpenLimits {
  const events: string[] = [];
  const limits = new RateLimits({ clock, random: () => 0.5, report: (event) => void events.push(event) });
  opened.push(limits);
  const store = () => [...limits.stores()][0];
  return {
    limits,
    events,
    counts(limit, mode = 'enforce') {
      const series = [...limits.limits()].find((candidate) => candidate.limit === limit);
      const readings = [...(series?.readings() ?? [])].filter((reading) => reading.mode === mode);
      return Object.fromEntries(
        readings.map(({ source, decision, count }) => [`${source} ${decision}`, count]),
      );
    },
    failures: () =>
      Object.fromEntries(Object.entries(store()?.failures ?? {}).filter(([, count]) => count > 0)),
    storeIsUp: () => store()?.up ?? false,
  };
}

export function closeLimits(): void {
  for (const limits of opened.splice(0)) limits.close();
}

interface Answer {
  readonly waitUs: number;
  readonly debtsUs: readonly number[];
}

export function ask(
  store: SharedStore,
  key: string,
  cost: number,
  windows: readonly Window[],
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const taken = store.ask({
      id: 'demo/tenants/a',
      key,
      cost,
      windows,
      onAnswer: (waitUs, debtsUs) => resolve({ waitUs, debtsUs }),
      onFailure: () => reject(new Error('the store did not answer')),
    });
    if (!taken) reject(new Error('the store took no question'));
  });
}
