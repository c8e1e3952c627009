/**
 * What rate limits have decided for one exchange, and how its response tells: RateLimit and RateLimit-Policy
 * (draft-ietf-httpapi-ratelimit-headers-11), Retry-After, and the older x-ratelimit-*.
 *
 * Invariants: Retry-After is never earlier than the end of an effective window that the same response names. `r` and `t` together never suggest
 * a pace above the window's own. Fields of the service itself stay, ours come as further members of the same lists.
 */
import type { Exchange } from '../../core/exchange.ts';
import { Failure } from '../../core/failure.ts';
import { writeInteger } from '../../observe/decimal.ts';
import type { ResponseHead } from '../../protocol/head.ts';
import { putBytes } from '../../transport/output.ts';
import { RATE_LIMIT_BOUNDS } from './config.ts';
import { remainingUnits } from './gcra.ts';
import type { NamedWindow, Plan } from './limit.ts';

const POLICY_NAME_BYTES = 'ratelimit-policy'.length;
const RATELIMIT_PREFIX = Buffer.from('ratelimit: ');
const BETWEEN_ITEMS = Buffer.from(', ');
const BEFORE_SECONDS = Buffer.from(';t=');
/** The items of one limit are put together here: its windows, each with a name of at most 80 characters and two numbers. */
const itemBytes = Buffer.alloc(RATE_LIMIT_BOUNDS.windows * 128);

export interface FieldsSpec {
  readonly rateLimit: 'on' | 'off';
  readonly xRateLimit: 'on' | 'off';
}

export class RateLimitOutcome {
  /** How long a caller that was refused has to wait; 0 when it was not. */
  waitUs = 0;
  private readonly fields: FieldsSpec;
  private readonly plans: Plan[] = [];
  /** Of the windows of all plans, one after another. */
  private readonly debtsUs: number[] = [];

  constructor(fields: FieldsSpec) {
    this.fields = fields;
  }

  addPlan(plan: Plan): void {
    this.plans.push(plan);
  }

  /** In the order of the windows of the plan that was added last. */
  addDebt(debtUs: number): void {
    this.debtsUs.push(debtUs);
  }

  write(exchange: Exchange, response: ResponseHead): void {
    if (exchange.failure === Failure.rateLimited) this.writeRetryAfter(exchange, response);
    if (this.plans.length === 0) return;
    if (this.fields.rateLimit === 'on') this.writeRateLimit(response);
    if (this.fields.xRateLimit === 'on') this.writeXRateLimit(response);
  }

  private writeRetryAfter({ isGrpc }: Exchange, response: ResponseHead): void {
    response.add('retry-after', String(toSeconds(this.waitUs)));
    // https://github.com/grpc/proposal/blob/master/A6-client-retries.md: when the library may try again.
    if (isGrpc) response.add('grpc-retry-pushback-ms', String(Math.max(1, Math.ceil(this.waitUs / 1_000))));
  }

  private writeRateLimit(response: ResponseHead): void {
    let next = 0;
    for (let i = 0; i < this.plans.length; i++) {
      const { windows, policyLine } = this.plans[i] as Plan;
      response.addLine(policyLine, POLICY_NAME_BYTES);
      let at = 0;
      for (let w = 0; w < windows.length; w++) {
        const window = windows[w] as NamedWindow;
        const debt = this.debtsUs[next++] as number;
        if (w > 0) at = putBytes(BETWEEN_ITEMS, itemBytes, at);
        at = putBytes(window.itemStart, itemBytes, at);
        at = writeInteger(itemBytes, at, remainingUnits(window, debt));
        at = putBytes(BEFORE_SECONDS, itemBytes, at);
        at = writeInteger(itemBytes, at, this.effectiveSeconds(window, debt));
      }
      response.addValue(RATELIMIT_PREFIX, itemBytes, 0, at);
    }
  }

  /** Of the window that has least left, as the seconds until all of it is back. */
  private writeXRateLimit(response: ResponseHead): void {
    let at = 0;
    let tightest: NamedWindow | null = null;
    let least = Number.POSITIVE_INFINITY;
    let debt = 0;
    for (const { windows } of this.plans) {
      for (const window of windows) {
        const owed = this.debtsUs[at++] as number;
        const remaining = remainingUnits(window, owed);
        if (remaining > least || (remaining === least && owed <= debt)) continue;
        least = remaining;
        tightest = window;
        debt = owed;
      }
    }
    if (tightest === null || response.find('x-ratelimit-limit') !== null) return;
    response.add('x-ratelimit-limit', String(tightest.quota));
    response.add('x-ratelimit-remaining', String(least));
    response.add('x-ratelimit-reset', String(Math.ceil(debt / 1e6)));
  }

  /** Within it a caller that keeps the pace uses no more than what remains; with nothing left, the time to the next unit. */
  private effectiveSeconds(window: NamedWindow, debt: number): number {
    const remaining = remainingUnits(window, debt);
    if (this.waitUs > 0) return toSeconds(this.waitUs);
    if (remaining === 0) return toSeconds(debt + window.intervalUs - window.toleranceUs);
    return toSeconds(remaining * window.intervalUs);
  }
}

/** Rounded up: earlier would be in vain. */
function toSeconds(us: number): number {
  return Math.max(1, Math.ceil(us / 1e6));
}
