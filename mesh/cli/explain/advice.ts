import type { FailureKind } from '../../../sidecar/src/core/failure.ts';
import { guideTo } from '../../../sidecar/src/core/failure-guide.ts';
import { CONCURRENCY_LIMIT, CONCURRENCY_QUEUED } from '../../../sidecar/src/filters/concurrency/metrics.ts';
import { RATE_LIMIT_REDIS_DURATION } from '../../../sidecar/src/filters/rate-limit/metrics.ts';
import { RETRIES } from '../../../sidecar/src/filters/retry/metrics.ts';
import { NODEJS_EVENTLOOP_LAG_P99 } from '../../../sidecar/src/observe/process-exposition.ts';
import {
  UPSTREAM_CONNECT_DURATION,
  UPSTREAM_PENDING_EXCHANGES,
} from '../../../sidecar/src/observe/upstream-exposition.ts';
import type { Span } from '../trace/span.ts';

// What usually is behind a failure, and what to look at next. The guide to the mesh's failures has it for those; for what is none of the
// mesh's, and for time that was lost, it follows from the place.

export type Advice = {
  readonly causes: readonly string[];
  readonly next: readonly string[];
  /** Where there is more about the code, in the repository; null for codes that are none of the mesh's. */
  readonly reference: string | null;
};

type Failed = {
  readonly kind: FailureKind | null;
  readonly code: string | null;
  readonly status: number | null;
  /** Of the request, as logs have it. */
  readonly id: string;
  readonly service: string;
  readonly component: Span['component'];
  readonly target: string | null;
  readonly phase: string;
  readonly givenUpBy: string | null;
};

export function adviceFor(failed: Failed): Advice {
  const { kind, service, id } = failed;
  const log = `read the log of ${service} for this request: \`tulle logs --request-id ${id} <its log files>\``;
  const guide = kind === null ? null : guideTo(kind);
  if (kind !== null && guide !== null) {
    return { causes: guide.causes, next: guide.advice, reference: `docs/generated/failures.md#${kind.name}` };
  }
  const own = SERVICE_CODES.get(failed.code ?? '');
  const [cause, ...next] =
    own?.(failed) ?? (failed.component === 'service' ? serviceAdvice(failed) : sidecarAdvice(failed));
  return { causes: [cause], next: [...next, log], reference: null };
}

type CauseAndNext = [cause: string, ...next: string[]];

/** What our own services call their errors (services/README.md). */
const SERVICE_CODES: ReadonlyMap<string, (failed: Failed) => CauseAndNext> = new Map(
  Object.entries<(failed: Failed) => CauseAndNext>({
    unauthenticated: ({ service }) => [
      'no API key in x-api-key, or one that is not among those of a tenant',
      `compare the key of the caller with \`secrets.apiKeys\` of ${service}, which holds the SHA-256 of each`,
    ],
    queue_unavailable: ({ service }) => [
      'Redis is away, refuses the credentials or is out of memory',
      `see whether Redis answers: \`redis-cli ping\`, and \`/healthz/ready\` of ${service}`,
    ],
    queue_full: ({ target }) => [
      'jobs are taken more slowly than they are sent',
      `look at how many workers take from ${target ?? 'the queue'}, and at how long a job takes`,
    ],
    PermanentFailure: () => [
      'what it was given can not be worked with: another attempt would fail the same way',
      'the detail says which step and why; correct that, and send the request again',
    ],
    timeout: ({ service, target, givenUpBy }) => [
      `${target ?? service} takes longer than ${givenUpBy ?? service} waits for it`,
      `look at the health and the latency of ${target ?? service}: it was asked, and said nothing`,
    ],
  }),
);

function serviceAdvice(failed: Failed): CauseAndNext {
  const { status, service, target } = failed;
  if (target !== null) {
    return [`${target} refused, was away, or took too long`, `look at the health of ${target}`];
  }
  if (status !== null && status >= 400 && status < 500) {
    return [
      'what the caller sent: its credentials, its path or its body',
      'look at the problem body that the caller got',
    ];
  }
  return [`the code of ${service}, or something it uses that has no span of its own`];
}

function sidecarAdvice({ service, target, phase }: Failed): CauseAndNext {
  const called = target ?? 'the called side';
  switch (phase) {
    case 'upstream':
    case 'server':
      return [
        `${called} itself, whose answer the sidecar only passed on`,
        `look at the log and the health of ${called}`,
      ];
    case 'pool':
    case 'connect':
    case 'tls':
      return [
        'fewer connections than are asked for, or a network that is slow to set them up',
        `look at \`${UPSTREAM_PENDING_EXCHANGES.name}\` and \`${UPSTREAM_CONNECT_DURATION.name}\` of ${service}`,
      ];
    case 'limiter':
      return [
        'more requests at once than the concurrency limit lets through, or a slow store of rate limits',
        `look at \`${CONCURRENCY_LIMIT.name}\`, \`${CONCURRENCY_QUEUED.name}\` and \`${RATE_LIMIT_REDIS_DURATION.name}\` of ${service}`,
      ];
    case 'retry':
      return [
        'attempts that failed before the last one, and the pauses between them',
        `look at the attempts above, and at \`${RETRIES.name}\` of ${service}`,
      ];
    case 'downstream':
      return [
        'a caller that reads slowly, or a slow network to it',
        `look at what the caller does with the response of ${service}`,
      ];
    default:
      return [
        'a caller that sends slowly, or a sidecar short of CPU',
        `look at \`${NODEJS_EVENTLOOP_LAG_P99.name}\` and the CPU of the sidecar of ${service}`,
      ];
  }
}
