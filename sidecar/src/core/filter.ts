/**
 * What a filter is: an object with a function for each phase that it takes part in.
 *
 * Invariants: a phase function returns a verdict and never a promise. A filter that must wait returns PAUSED and calls
 * `resume(exchange)` of core/course.ts exactly once, later. `onEnd` runs exactly once for every exchange, whatever became of it, and is the only
 * place that emits metrics, log and span, so that the three agree.
 */
import type { Exchange } from './exchange.ts';

/** Go on with the next filter. */
export const CONTINUE = 0;
/** The filter has answered through `reply(exchange, …)` of core/course.ts; nothing further of this phase runs. */
export const REPLIED = 1;
/** The filter waits; `resume(exchange)` goes on with the next filter. */
export const PAUSED = 2;

export type Verdict = typeof CONTINUE | typeof REPLIED | typeof PAUSED;

export interface Filter {
  readonly name: string;
  /** The request head is parsed and checked. */
  onRequestHead?(exchange: Exchange): Verdict;
  /** In place of `onRequestHead`, when the head can't be read: gives the refusal what its answer and its observers need. */
  onUnreadableHead?(exchange: Exchange): void;
  /** Before an endpoint is chosen; may narrow or set `exchange.endpoint`. */
  onPickEndpoint?(exchange: Exchange): Verdict;
  /** For each attempt, before the request head is written upstream. */
  onAttemptHead?(exchange: Exchange): Verdict;
  /** The final response head is parsed, or a local reply is made. Filters run in reverse order; a response is not held back. */
  onResponseHead?(exchange: Exchange): void;
  /** An attempt is over: answered, failed or aborted. */
  onAttemptEnd?(exchange: Exchange): void;
  /** The exchange is over. */
  onEnd?(exchange: Exchange): void;
}
