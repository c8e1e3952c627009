/**
 * The times at which an exchange has to be over, and its current attempt: one watched item for both.
 *
 * Invariant: made only for exchanges that have such a time, by a policy or by their caller.
 */
import type { Watched } from './deadlines.ts';
import type { Exchange } from './exchange.ts';

const NEVER = Number.POSITIVE_INFINITY;

/** What to do when a time has come; the course of an exchange. */
export interface DeadlineActions {
  onExchangeTimeout(exchange: Exchange): void;
  onAttemptTimeout(exchange: Exchange): void;
}

export class ExchangeDeadline implements Watched {
  deadlineMs = NEVER;
  /** Monotonic time at which the exchange has to be over. */
  private exchangeMs = NEVER;
  private attemptMs = NEVER;
  private readonly exchange: Exchange;
  private readonly actions: DeadlineActions;

  constructor(exchange: Exchange, actions: DeadlineActions) {
    this.exchange = exchange;
    this.actions = actions;
  }

  get exchangeDeadlineMs(): number {
    return this.exchangeMs;
  }

  /** The earliest of all that were asked for holds. */
  limitExchange(atMs: number): void {
    this.exchangeMs = Math.min(this.exchangeMs, atMs);
    this.arm();
  }

  limitAttempt(atMs: number): void {
    this.attemptMs = atMs;
    this.arm();
  }

  onDeadline(): void {
    const { exchange, actions } = this;
    if (exchange.time.nowMs >= this.exchangeMs) {
      actions.onExchangeTimeout(exchange);
    } else {
      this.attemptMs = NEVER;
      this.arm();
      actions.onAttemptTimeout(exchange);
    }
  }

  private arm(): void {
    this.deadlineMs = Math.min(this.exchangeMs, this.attemptMs);
  }
}
