/**
 * Compiles a list of filters into one frozen array of functions per phase. A phase that no filter takes part in is null, so that
 * it costs one comparison.
 */
import type { Exchange } from './exchange.ts';
import { CONTINUE, type Filter, PAUSED, type Verdict } from './filter.ts';

export type Step = (exchange: Exchange) => Verdict;
export type Observer = (exchange: Exchange) => void;

export interface Chain {
  readonly requestHead: readonly Step[] | null;
  readonly unreadableHead: readonly Observer[] | null;
  readonly pickEndpoint: readonly Step[] | null;
  readonly attemptHead: readonly Step[] | null;
  /** In reverse order of the list: the last filter before the upstream sees its response first. */
  readonly responseHead: readonly Observer[] | null;
  readonly attemptEnd: readonly Observer[] | null;
  readonly end: readonly Observer[] | null;
}

export function compileChain(filters: readonly Filter[]): Chain {
  return Object.freeze({
    requestHead: collect(filters, (filter) => filter.onRequestHead?.bind(filter)),
    unreadableHead: collect(filters, (filter) => filter.onUnreadableHead?.bind(filter)),
    pickEndpoint: collect(filters, (filter) => filter.onPickEndpoint?.bind(filter)),
    attemptHead: collect(filters, (filter) => filter.onAttemptHead?.bind(filter)),
    responseHead: collect(filters.toReversed(), (filter) => filter.onResponseHead?.bind(filter)),
    attemptEnd: collect(filters, (filter) => filter.onAttemptEnd?.bind(filter)),
    end: collect(filters, (filter) => filter.onEnd?.bind(filter)),
  });
}

function collect<F>(
  filters: readonly Filter[],
  pick: (filter: Filter) => F | undefined,
): readonly F[] | null {
  const functions = filters.map(pick).filter((fn) => fn !== undefined);
  return functions.length === 0 ? null : Object.freeze(functions);
}

/** True when the phase is over; false when a filter replied or paused. `phase` is kept for who resumes. */
export function runSteps(
  exchange: Exchange,
  phase: number,
  steps: readonly Step[] | null,
  from: number,
): boolean {
  if (steps === null) return true;
  for (let i = from; i < steps.length; i++) {
    const verdict = (steps[i] as Step)(exchange);
    if (verdict === CONTINUE) continue;
    if (verdict === PAUSED) {
      exchange.pausedPhase = phase;
      exchange.pausedAt = i + 1;
    }
    return false;
  }
  return true;
}

export function observe(exchange: Exchange, observers: readonly Observer[] | null): void {
  if (observers === null) return;
  for (let i = 0; i < observers.length; i++) (observers[i] as Observer)(exchange);
}
