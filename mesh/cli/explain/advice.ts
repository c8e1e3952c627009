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
  readonly service: string;
  readonly component: Span['component'];
  readonly target: string | null;
  readonly phase: string;
};

export function adviceFor(failed: Failed): Advice {
  const { kind } = failed;
  const guide = kind === null ? null : guideTo(kind);
  if (kind !== null && guide !== null) {
    return { causes: guide.causes, next: guide.advice, reference: `docs/generated/failures.md#${kind.name}` };
  }
  const [cause, next] = adviceByPlace(failed);
  return { causes: [cause], next: [next], reference: null };
}

function adviceByPlace({ code, service, component, target, phase }: Failed): [cause: string, next: string] {
  const log = `the log of ${service} for this request: tulle logs --request-id`;
  const called = target ?? 'the called side';
  if (code === 'queue_full') {
    return [
      'jobs are taken more slowly than they are sent',
      `how many workers take from ${called}, and how long a job takes`,
    ];
  }
  if (code === 'queue_unavailable') {
    return [
      'Redis is away, refuses the credentials or is out of memory',
      `whether the Redis of ${service} answers, and ${log}`,
    ];
  }
  if (component === 'service' && target !== null) {
    return [`${target} refused, was away, or took too long`, `the health of ${target}, and ${log}`];
  }
  if (component === 'service' && /^4\d\d$/.test(code ?? '')) {
    return [
      'what the caller sent: its credentials, its path or its body',
      `the problem body that the caller got, and ${log}`,
    ];
  }
  if (component === 'service') {
    return [`the code of ${service}, or something it uses that has no span of its own`, log];
  }
  switch (phase) {
    case 'upstream':
    case 'server':
      return [
        `${called} itself, whose answer the sidecar only passed on`,
        `the log and the health of ${called}`,
      ];
    case 'pool':
    case 'connect':
    case 'tls':
      return [
        'fewer connections than are asked for, or a network that is slow to set them up',
        `${UPSTREAM_PENDING_EXCHANGES.name} and ${UPSTREAM_CONNECT_DURATION.name} of ${service}`,
      ];
    case 'limiter':
      return [
        'more requests at once than the concurrency limit lets through, or a slow store of rate limits',
        `${CONCURRENCY_LIMIT.name}, ${CONCURRENCY_QUEUED.name} and ${RATE_LIMIT_REDIS_DURATION.name} of ${service}`,
      ];
    case 'retry':
      return [
        'attempts that failed before the last one, and the pauses between them',
        `the attempts above, and ${RETRIES.name} of ${service}`,
      ];
    case 'downstream':
      return [
        'a caller that reads slowly, or a slow network to it',
        `what the caller does with the response of ${service}`,
      ];
    default:
      return [
        'a caller that sends slowly, or a sidecar short of CPU',
        `${NODEJS_EVENTLOOP_LAG_P99.name} and the CPU of the sidecar of ${service}`,
      ];
  }
}
