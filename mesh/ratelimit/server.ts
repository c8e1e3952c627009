/**
 * envoy.service.ratelimit.v3.RateLimitService over the limits of the mesh.
 *
 * Invariants: a request is over its limit as soon as one limit of one of its descriptors is. A descriptor that no limit is for, and a domain
 * that no policy has, limit nothing; the latter is reported once. Policies in shadow mode are counted and never refuse.
 */
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { type Address, formatAddress } from '../../sidecar/src/config/address.ts';
import type { Clock } from '../../sidecar/src/core/clock.ts';
import { remainingUnits } from '../../sidecar/src/filters/rate-limit/gcra.ts';
import type { NamedWindow, PolicySpec } from '../../sidecar/src/filters/rate-limit/limit.ts';
import type { RateLimits } from '../../sidecar/src/filters/rate-limit/rate-limits.ts';
import { type Answer, Decider } from './decide.ts';
import {
  type Descriptor,
  type DescriptorStatus,
  OK,
  OVER_LIMIT,
  type RateLimitRequest,
  type RateLimitResponse,
  rateLimitService,
  UNITS,
} from './messages.ts';

export interface RateLimitServerOptions {
  readonly listen: Address;
  /** A domain is `<namespace>/<name>` of a policy. */
  readonly policies: readonly PolicySpec[];
  readonly limits: RateLimits;
  readonly clock: Clock;
  report(event: string, fields: Readonly<Record<string, unknown>>): void;
}

export interface RateLimitServer {
  readonly port: number;
  /** Answers what has begun, for at most `LIMITS.stopMs`. */
  stop(): Promise<void>;
}

const LIMITS = {
  stopMs: 5_000,
  /** Of one request; Envoy's own messages are far below. */
  requestBytes: 65_536,
  descriptors: 64,
  /** Unknown domains that are reported. */
  reportedDomains: 100,
} as const;

type Call = ServerUnaryCall<RateLimitRequest, RateLimitResponse>;

export async function startRateLimitServer(options: RateLimitServerOptions): Promise<RateLimitServer> {
  const service = new RateLimitService(options);
  const server = new Server({ 'grpc.max_receive_message_length': LIMITS.requestBytes });
  server.addService(rateLimitService(), {
    ShouldRateLimit: (call: Call, callback: sendUnaryData<RateLimitResponse>) =>
      service.shouldRateLimit(call.request, callback),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(formatAddress(options.listen), ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    port,
    stop: () =>
      new Promise((resolve) => {
        const deadline = setTimeout(() => server.forceShutdown(), LIMITS.stopMs);
        server.tryShutdown(() => {
          clearTimeout(deadline);
          resolve();
        });
      }),
  };
}

class RateLimitService {
  private readonly deciders: ReadonlyMap<string, Decider>;
  private readonly report: RateLimitServerOptions['report'];
  private readonly unknownDomains = new Set<string>();

  constructor({ policies, limits, clock, report }: RateLimitServerOptions) {
    this.report = report;
    this.deciders = new Map(
      policies
        .filter(({ spec }) => spec.mode !== 'off')
        .map((policy) => [`${policy.namespace}/${policy.name}`, new Decider(policy, limits, clock)]),
    );
  }

  shouldRateLimit(request: RateLimitRequest, callback: sendUnaryData<RateLimitResponse>): void {
    const refusal = refusalOf(request);
    if (refusal !== null) {
      callback({ code: status.INVALID_ARGUMENT, details: refusal });
      return;
    }
    this.decide(request).then(
      (response) => callback(null, response),
      (error: unknown) => callback({ code: status.INTERNAL, details: String(error) }),
    );
  }

  private async decide({ domain, descriptors, hits_addend }: RateLimitRequest): Promise<RateLimitResponse> {
    const decider = this.deciders.get(domain);
    if (decider === undefined) {
      this.reportUnknown(domain);
      return {
        overall_code: OK,
        statuses: descriptors.map(() => ({ code: OK })),
        response_headers_to_add: [],
      };
    }
    const answers = await Promise.all(
      descriptors.map((each) => decider.decide(each, each.hits_addend?.value ?? Math.max(hits_addend, 1))),
    );
    if (decider.shadow)
      return { overall_code: OK, statuses: answers.map(() => ({ code: OK })), response_headers_to_add: [] };
    const limited = answers.flat().some((answer) => answer.limited);
    return {
      overall_code: limited ? OVER_LIMIT : OK,
      statuses: answers.map(statusOf),
      response_headers_to_add: headersFor(answers.flat()),
    };
  }

  private reportUnknown(domain: string): void {
    if (this.unknownDomains.size >= LIMITS.reportedDomains || this.unknownDomains.has(domain)) return;
    this.unknownDomains.add(domain);
    this.report('unknown_domain', { domain, known: [...this.deciders.keys()] });
  }
}

function refusalOf({ descriptors }: RateLimitRequest): string | null {
  if (descriptors.length > LIMITS.descriptors) return `more than ${LIMITS.descriptors} descriptors`;
  if (descriptors.some((each: Descriptor) => each.is_negative_hits))
    return 'hits can not be given back: a limit would then let through more than it says';
  return null;
}

/** Of the window with least left. */
function statusOf(answers: readonly Answer[]): DescriptorStatus {
  const code = answers.some(({ limited }) => limited) ? OVER_LIMIT : OK;
  let tightest: { window: NamedWindow; remaining: number; debtUs: number } | null = null;
  for (const { plan, debtsUs } of answers) {
    debtsUs.forEach((debtUs, i) => {
      const window = plan.windows[i] as NamedWindow;
      const remaining = remainingUnits(window, debtUs);
      if (tightest === null || remaining < tightest.remaining) tightest = { window, remaining, debtUs };
    });
  }
  return tightest === null ? { code } : { code, ...describe(tightest) };
}

function describe({ window, remaining, debtUs }: { window: NamedWindow; remaining: number; debtUs: number }) {
  const seconds = Math.floor(debtUs / 1e6);
  return {
    current_limit: {
      requests_per_unit: window.quota,
      unit: UNITS.get(window.windowSeconds) ?? 0,
      name: window.label,
    },
    limit_remaining: remaining,
    duration_until_reset: { seconds, nanos: Math.round((debtUs - seconds * 1e6) * 1_000) },
  };
}

/** What Envoy does not say by itself: when to come back. */
function headersFor(answers: readonly Answer[]): RateLimitResponse['response_headers_to_add'] {
  const waitUs = Math.max(0, ...answers.map((answer) => answer.waitUs));
  return waitUs === 0 ? [] : [{ key: 'retry-after', value: String(Math.ceil(waitUs / 1e6)) }];
}
