/**
 * The policy for attempts that failed: which are worth another one, how long to wait, and when enough is enough.
 *
 * Invariants
 * - A request that an application may have acted on is sent again only if its method is idempotent (RFC 9110 section 9.2.2) or it carries an
 *   Idempotency-Key. So a POST is executed at most once without one.
 * - Retries stay within the budget of the service, whatever fails.
 * - Every failure that was worth a retry is counted: as a retry, or by what forbade it.
 */
import { NO_RETRY, type RetryPolicy } from '../../core/attempts.ts';
import type { Exchange } from '../../core/exchange.ts';
import { Failure, type FailureKind } from '../../core/failure.ts';
import { RetryBudget } from './budget.ts';
import type { RetrySpec } from './config.ts';
import type { RetryDenial, RetryReason, RetrySeries } from './metrics.ts';

const STATUS_LIMIT = 600;
const SECOND_MS = 1_000;
const PERCENT = 100;
/** Distinct random words. */
const WORDS = 0x1_0000_0000;

export interface RetryDeps {
  /** Words of 32 bits. */
  readonly random: { next(): number };
  readonly series: RetrySeries;
}

export class Retry implements RetryPolicy {
  readonly bufferBytes: number;
  private readonly spec: RetrySpec;
  private readonly enforces: boolean;
  private readonly deps: RetryDeps;
  private readonly budget: RetryBudget;
  private readonly statuses = new Uint8Array(STATUS_LIMIT);
  private readonly grpcStatuses: ReadonlySet<number>;

  constructor(spec: RetrySpec, deps: RetryDeps) {
    this.spec = spec;
    this.enforces = spec.mode === 'enforce';
    this.deps = deps;
    this.bufferBytes = spec.bufferBytes;
    this.budget = new RetryBudget(spec.budget.percent / PERCENT, spec.budget.minPerSecond);
    for (const status of spec.statuses) this.statuses[status] = 1;
    this.grpcStatuses = new Set(spec.grpcStatuses);
  }

  begin(exchange: Exchange): void {
    this.budget.deposit(exchange.time.nowMs);
  }

  decide(exchange: Exchange): number {
    const reason = this.reasonOf(exchange);
    if (reason === null) return NO_RETRY;
    const { series } = this.deps;
    const delayMs = this.delayOf(exchange);
    const denial = this.denialOf(exchange, delayMs);
    if (denial !== null) {
      series.denied[denial]++;
      return NO_RETRY;
    }
    if (this.enforces) {
      series.retries[reason]++;
      return delayMs;
    }
    series.shadowRetries[reason]++;
    exchange.noteShadow('retry');
    return NO_RETRY;
  }

  private reasonOf({ attemptFailure, attemptStatus, grpcStatus, isGrpc }: Exchange): RetryReason | null {
    if (attemptFailure !== Failure.none) return this.conditionOf(attemptFailure);
    if (isGrpc && grpcStatus > 0) return this.grpcStatuses.has(grpcStatus) ? 'grpc-status' : null;
    return this.statuses[attemptStatus] === 1 ? 'status' : null;
  }

  private conditionOf(failure: FailureKind): RetryReason | null {
    const condition = failure.retryable
      ? 'connect-failure'
      : failure === Failure.upstreamReset
        ? 'reset'
        : failure === Failure.upstreamTimeout
          ? 'timeout'
          : null;
    return condition !== null && this.spec.on.includes(condition) ? condition : null;
  }

  private denialOf(exchange: Exchange, delayMs: number): RetryDenial | null {
    if (exchange.attempts >= this.spec.attempts) return 'attempts';
    if (!isHarmless(exchange)) return 'not-idempotent';
    if (delayMs > this.spec.backoff.maxMs) return 'retry-after';
    const deadlineMs = exchange.deadline?.exchangeDeadlineMs ?? Number.POSITIVE_INFINITY;
    if (exchange.time.nowMs + delayMs >= deadlineMs) return 'deadline';
    return this.budget.withdraw(exchange.time.nowMs) ? null : 'budget';
  }

  /** Full jitter, unless the endpoint said when to come again. */
  private delayOf(exchange: Exchange): number {
    const asked = readRetryAfterMs(exchange);
    if (asked !== null) return asked;
    const { baseMs, maxMs } = this.spec.backoff;
    const bound = Math.min(maxMs, baseMs * 2 ** (exchange.attempts - 1));
    return Math.round(((this.deps.random.next() >>> 0) / WORDS) * bound);
  }
}

/** Nothing was sent or done, or doing it twice does no harm. */
function isHarmless({ attemptFailure, request, upstream }: Exchange): boolean {
  if (attemptFailure.retryable || upstream?.unprocessed) return true;
  return request.isIdempotent || request.find('idempotency-key') !== null;
}

/** Seconds, as services under load say it; a date is as good as nothing said. */
function readRetryAfterMs({ response, attemptFailure }: Exchange): number | null {
  if (attemptFailure !== Failure.none || response === null) return null;
  const text = response.find('retry-after');
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) * SECOND_MS : null;
}
