/**
 * Compiles a list of filters into one frozen array of functions per phase. A phase that no filter takes part in is null, so that
 * it costs one comparison.
 */
import type { Exchange } from './exchange.ts';
import type { Filter, Verdict } from './filter.ts';

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
