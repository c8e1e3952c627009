/**
 * Delays requests, or answers them with an error, as a FaultPolicy says.
 *
 * Invariants: the delay of an exchange ends at most once, and never early; who is gone by then is not forwarded. A request that is both
 * delayed and aborted is aborted behind its delay. In shadow mode the same dice are cast, and nothing is done.
 */
import { reply, resume } from '../../core/course.ts';
import type { Watched } from '../../core/deadlines.ts';
import type { Exchange } from '../../core/exchange.ts';
import { Failure, type FailureKind, withStatus } from '../../core/failure.ts';
import { CONTINUE, type Filter, PAUSED, REPLIED, type Verdict } from '../../core/filter.ts';
import { LIMITS } from '../../core/limits.ts';
import { type NamedPolicy, PolicyDecisions, policySource } from '../../core/policy-decision.ts';
import type { RandomWords } from '../../observe/random-words.ts';
import { FieldMatches } from '../../routing/field-match.ts';
import type { FaultSpec } from './config.ts';
import type { FaultSeries } from './metrics.ts';

/** Of a percentage, how many of the 2^32 words mean yes. */
const WORDS_PER_PERCENT = 0x1_0000_0000 / 100;

export class FaultFilter implements Filter {
  readonly name = 'fault';
  private readonly series: FaultSeries;
  private readonly random: RandomWords;
  private readonly conditions: FieldMatches;
  private readonly enforced: boolean;
  private readonly delayMs: number;
  private readonly delayThreshold: number;
  private readonly abortThreshold: number;
  private readonly failure: FailureKind;
  private readonly decisions: PolicyDecisions;

  constructor(policy: NamedPolicy<FaultSpec>, series: FaultSeries, random: RandomWords) {
    const { mode, headers, delay, abort } = policy.spec;
    // What was not drawn was no decision of anybody.
    this.decisions = new PolicyDecisions(policySource('fault', policy), false);
    this.series = series;
    this.random = random;
    this.conditions = new FieldMatches(headers);
    this.enforced = mode === 'enforce';
    this.delayMs = delay?.delayMs ?? 0;
    this.delayThreshold = (delay?.percentage ?? 0) * WORDS_PER_PERCENT;
    this.abortThreshold = (abort?.percentage ?? 0) * WORDS_PER_PERCENT;
    this.failure = abort
      ? withStatus(Failure.faultAbort, abort.httpStatus, abort.grpcStatus)
      : Failure.faultAbort;
  }

  onRequestHead(exchange: Exchange): Verdict {
    if (!this.conditions.matches(exchange.request)) return CONTINUE;
    if (this.drawn(this.delayThreshold) && this.delays(exchange)) return PAUSED;
    return this.aborts(exchange) ? REPLIED : CONTINUE;
  }

  onEnd(exchange: Exchange): void {
    if (exchange.faultDelay !== null) this.endDelay(exchange, exchange.faultDelay);
  }

  /** The delay is over, and the exchange is not. */
  goOn(exchange: Exchange, delay: Watched): void {
    this.endDelay(exchange, delay);
    if (!this.aborts(exchange)) resume(exchange);
  }

  private drawn(threshold: number): boolean {
    return threshold > 0 && this.random.next() >>> 0 < threshold;
  }

  private delays(exchange: Exchange): boolean {
    const { series } = this;
    if (!this.enforced) {
      series.shadowDelays++;
      this.decisions.delay(exchange, 'delay');
      return false;
    }
    if (series.delayed >= LIMITS.delayedExchanges) {
      series.skippedDelays++;
      return false;
    }
    this.decisions.delay(exchange, 'delay');
    series.delays++;
    series.delayed++;
    const delay = new Delay(this, exchange, exchange.time.nowMs + this.delayMs);
    exchange.faultDelay = delay;
    exchange.time.deadlines.watch(delay);
    return true;
  }

  private endDelay(exchange: Exchange, delay: Watched): void {
    this.series.delayed--;
    exchange.faultDelay = null;
    exchange.time.deadlines.unwatch(delay);
  }

  private aborts(exchange: Exchange): boolean {
    if (!this.drawn(this.abortThreshold)) return false;
    this.decisions.deny(exchange, 'abort', this.failure);
    if (!this.enforced) {
      this.series.shadowAborts++;
      return false;
    }
    this.series.aborts++;
    reply(exchange, this.failure);
    return true;
  }
}

class Delay implements Watched {
  deadlineMs: number;
  private readonly filter: FaultFilter;
  private readonly exchange: Exchange;

  constructor(filter: FaultFilter, exchange: Exchange, deadlineMs: number) {
    this.filter = filter;
    this.exchange = exchange;
    this.deadlineMs = deadlineMs;
  }

  onDeadline(): void {
    this.filter.goOn(this.exchange, this);
  }
}
