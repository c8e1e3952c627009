/**
 * What the sidecars of a service do about the failures of those that it calls.
 */
import { BACKEND_REQUESTS } from '../../sidecar/src/filters/backend/metrics.ts';
import { CONCURRENCY_QUEUED, SHED } from '../../sidecar/src/filters/concurrency/metrics.ts';
import { HEDGES } from '../../sidecar/src/filters/hedge/metrics.ts';
import { RETRIES, RETRIES_DENIED } from '../../sidecar/src/filters/retry/metrics.ts';
import { ENDPOINT_AVAILABLE, ENDPOINT_EJECTIONS } from '../../sidecar/src/observe/group-exposition.ts';
import type { Row } from './dashboard.ts';
import { line } from './line.ts';
import { timeSeries } from './panel.ts';
import { perSecond, total } from './promql.ts';
import { IN_SERVICE } from './scopes.ts';

const OUTBOUND = { ...IN_SERVICE, direction: 'outbound' } as const;
const ENFORCED = { ...OUTBOUND, mode: 'enforce' } as const;

export const resilience: Row = {
  title: 'What the mesh does about it',
  panels: [
    timeSeries({
      title: 'Retries',
      description:
        'Attempts a second that were added, by what made them worth it. They hide failures from callers: many of them are a warning.',
      unit: 'reqps',
      width: 6,
      stacked: true,
      lines: [
        line(perSecond(RETRIES, ENFORCED, ['route', 'reason']), ({ route, reason }) => `${route} ${reason}`),
      ],
    }),
    timeSeries({
      title: 'Retries that were not made',
      description:
        'Failures a second that were worth another attempt and got none. "budget" says that too much fails at once for retries to help.',
      unit: 'reqps',
      width: 6,
      stacked: true,
      lines: [
        line(
          perSecond(RETRIES_DENIED, OUTBOUND, ['route', 'cause']),
          ({ route, cause }) => `${route} ${cause}`,
        ),
      ],
    }),
    timeSeries({
      title: 'Second attempts beside slow ones',
      description: 'Hedged requests a second, by what they came to: won where the second was faster.',
      unit: 'reqps',
      width: 6,
      lines: [
        line(perSecond(HEDGES, OUTBOUND, ['route', 'result']), ({ route, result }) => `${route} ${result}`),
      ],
    }),
    timeSeries({
      title: 'Shed and queued',
      description: 'Requests a second that a concurrency limit turned away, and how many wait for it now.',
      unit: 'short',
      width: 6,
      lines: [
        line(
          perSecond(SHED, { ...IN_SERVICE, mode: 'enforce' }, ['route', 'cause']),
          ({ route, cause }) => `${route} shed: ${cause}`,
        ),
        line(total(CONCURRENCY_QUEUED, IN_SERVICE, ['route']), ({ route }) => `${route} queued`),
      ],
    }),
    timeSeries({
      title: 'Endpoints that may be used',
      description: 'Of each service that is called; the others are ejected or fail their health checks.',
      unit: 'short',
      lines: [line(total(ENDPOINT_AVAILABLE, IN_SERVICE, ['upstream']), ({ upstream }) => upstream)],
    }),
    timeSeries({
      title: 'Ejections',
      description:
        'Endpoints that did worse than the others: enforced ones were left out for a while, denied ones kept as too many are out.',
      unit: 'cps',
      lines: [
        line(
          perSecond(ENDPOINT_EJECTIONS, IN_SERVICE, ['upstream', 'reason', 'action']),
          ({ upstream, reason, action }) => `${upstream} ${reason} (${action})`,
        ),
      ],
    }),
    timeSeries({
      title: 'Backends of rules',
      description: 'Requests a second by the backend that a rule chose: how far a canary is.',
      unit: 'reqps',
      stacked: true,
      lines: [
        line(
          perSecond(BACKEND_REQUESTS, IN_SERVICE, ['rule', 'backend']),
          ({ rule, backend }) => `${rule} ${backend}`,
        ),
      ],
    }),
  ],
};
