/**
 * Inspects requests for injections as a WafPolicy says: target, fields and cookies first, then the body, which is held until it was judged.
 *
 * Invariants
 * - With `enforce`, nothing of a request is forwarded before its verdict, and nothing at all of one that is refused. Bodies that are not
 *   inspected, because the policy lets them pass or another protocol follows, are counted as such.
 * - With `shadow` everything is decided, counted and logged, and nothing comes of it: bodies are watched as they pass, and no request waits.
 * - An inspection that fails refuses its request: whoever can break it must not get around it.
 */
import { type BodyJudge, type HeldBytes, holdBody, watchBody } from '../../core/body-gate.ts';
import { reply } from '../../core/course.ts';
import type { Exchange } from '../../core/exchange.ts';
import { Failure, type FailureKind } from '../../core/failure.ts';
import { CONTINUE, type Filter, REPLIED, type Verdict } from '../../core/filter.ts';
import { LIMITS } from '../../core/limits.ts';
import { PolicyDecisions } from '../../core/policy-decision.ts';
import { type BodyReading, readBody, readingOf } from './body-reader.ts';
import type { WafSpec } from './config.ts';
import { readContentType } from './content-type.ts';
import { inspectFields, inspectHead } from './head-reader.ts';
import type { Inspector } from './inspector.ts';
import { Inspectors } from './inspectors.ts';
import type { WafBody, WafSeries } from './metrics.ts';
import { WafOutcome } from './outcome.ts';

export type WafReport = (event: string, fields: Readonly<Record<string, unknown>>) => void;

export interface WafDeps {
  readonly series: WafSeries;
  readonly held: HeldBytes;
  readonly report: WafReport;
  readonly auditsAllowed: boolean;
}

export class WafFilter implements Filter, BodyJudge {
  readonly name = 'waf';
  readonly maxBytes: number;
  readonly timeoutMs: number;
  /** `<namespace>/<name>`. */
  private readonly policy: string;
  private readonly spec: WafSpec;
  private readonly deps: WafDeps;
  private readonly inspectors: Inspectors;
  private readonly enforces: boolean;
  private readonly decisions: PolicyDecisions;

  constructor(policy: string, spec: WafSpec, deps: WafDeps) {
    this.policy = policy;
    this.spec = spec;
    this.deps = deps;
    this.inspectors = new Inspectors(spec);
    this.enforces = spec.mode === 'enforce';
    this.decisions = new PolicyDecisions({ kind: 'waf', policy, shadow: !this.enforces }, deps.auditsAllowed);
    this.maxBytes = spec.body.maxBytes;
    this.timeoutMs = spec.body.timeoutMs;
  }

  onRequestHead(exchange: Exchange): Verdict {
    const { request } = exchange;
    const inspector = this.inspectors.for(request);
    try {
      inspector.begin();
      inspectHead(request, inspector);
    } catch (error) {
      return this.fail(exchange, error);
    }
    const failure = this.conclude(exchange, inspector, readingOf(inspector.problem, true));
    if (failure !== Failure.none) return this.refuse(exchange, failure);
    return exchange.requestComplete ? this.pass(exchange) : this.awaitBody(exchange);
  }

  judge(exchange: Exchange, body: Buffer, whole: boolean): boolean {
    return this.judgeBody(exchange, body, whole) === CONTINUE;
  }

  private judgeBody(exchange: Exchange, body: Buffer, whole: boolean): Verdict {
    const { series } = this.deps;
    const inspector = this.inspectors.for(exchange.request);
    let reading: BodyReading;
    try {
      inspector.begin();
      reading = this.read(exchange, body, whole, inspector);
    } catch (error) {
      return this.fail(exchange, error);
    }
    series.bodies[reading]++;
    if (reading === 'whole' || reading === 'prefix') series.bytes += body.length;
    const failure = this.conclude(exchange, inspector, reading);
    return failure === Failure.none ? this.pass(exchange) : this.refuse(exchange, failure);
  }

  /** What the head tells already saves the caller its body. */
  private awaitBody(exchange: Exchange): Verdict {
    const { request } = exchange;
    const { onUnknownType, onGrpc, onOversize } = this.spec.body;
    if (request.wantsUpgrade) return this.leaveOut(exchange, 'upgrade', false, Failure.none);
    if (exchange.isGrpc) return this.leaveOut(exchange, 'grpc', onGrpc === 'refuse', Failure.wafUnknownType);
    if (onUnknownType !== 'inspect' && readContentType(request).kind === 'unknown') {
      return this.leaveOut(exchange, 'unknown_type', onUnknownType === 'refuse', Failure.wafUnknownType);
    }
    if (onOversize !== 'inspectPrefix' && request.contentLength > this.maxBytes) {
      return this.leaveOut(exchange, 'oversize', onOversize === 'refuse', Failure.wafTooLarge);
    }
    const { held } = this.deps;
    return this.enforces ? holdBody(exchange, this, held) : watchBody(exchange, this, held);
  }

  private leaveOut(exchange: Exchange, why: WafBody, refuses: boolean, failure: FailureKind): Verdict {
    this.deps.series.bodies[why]++;
    return refuses ? this.refuse(exchange, failure) : this.pass(exchange);
  }

  private read(exchange: Exchange, body: Buffer, whole: boolean, inspector: Inspector): BodyReading {
    if (!whole && this.spec.body.onOversize !== 'inspectPrefix') return 'oversize';
    const trailers = exchange.gate?.trailers ?? null;
    if (trailers !== null) inspectFields(trailers, inspector);
    return readBody(exchange.request, body, whole, inspector, this.spec.body);
  }

  /** Notes what was found. Returns why the request can't go on, or `Failure.none`. */
  private conclude(exchange: Exchange, inspector: Inspector, reading: BodyReading): FailureKind {
    if (inspector.hits.length > 0) this.note(exchange, inspector);
    if (exchange.waf !== null && exchange.waf.score >= this.spec.threshold) return Failure.wafBlocked;
    return this.failureOf(reading);
  }

  private failureOf(reading: BodyReading): FailureKind {
    const { onOversize, onUnparsable } = this.spec.body;
    if (reading === 'unparsable') return onUnparsable === 'refuse' ? Failure.wafUnparsable : Failure.none;
    if (reading === 'prefix') return onOversize === 'refuse' ? Failure.wafTooLarge : Failure.none;
    if (reading === 'oversize') return onOversize === 'pass' ? Failure.none : Failure.wafTooLarge;
    return Failure.none;
  }

  private note(exchange: Exchange, { hits, score }: Inspector): void {
    this.outcomeOf(exchange).add(hits, score);
    const counts = this.deps.series.hits;
    for (const { rule } of hits) counts[rule.index] = (counts[rule.index] as number) + 1;
  }

  private pass(exchange: Exchange): Verdict {
    this.deps.series.results[exchange.waf === null ? 'clean' : 'noted']++;
    this.decisions.allow(exchange, '');
    return CONTINUE;
  }

  /** In shadow mode the request goes on. */
  private refuse(exchange: Exchange, failure: FailureKind): Verdict {
    const outcome = this.outcomeOf(exchange);
    outcome.failure = failure;
    this.deps.series.count(failure);
    this.decisions.deny(exchange, outcome.rule, failure);
    if (!this.enforces) return CONTINUE;
    reply(exchange, failure, outcome.describe());
    return REPLIED;
  }

  private outcomeOf(exchange: Exchange): WafOutcome {
    exchange.waf ??= new WafOutcome(this.policy, this.spec.threshold, this.enforces);
    return exchange.waf;
  }

  private fail(exchange: Exchange, error: unknown): Verdict {
    const { series, report } = this.deps;
    if (series.results.failed % LIMITS.wafFailuresPerReport === 0) {
      report('waf_inspection_failed', {
        policy: this.policy,
        reason: (error as Error).stack ?? String(error),
      });
    }
    return this.refuse(exchange, Failure.wafFailed);
  }
}
