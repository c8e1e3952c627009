/**
 * Alerts on what sidecars see and do: endpoints, limits, attacks, and themselves.
 */
import { RATE_LIMIT_OVERFLOWS, RATE_LIMIT_REDIS_UP } from '../../sidecar/src/filters/rate-limit/metrics.ts';
import { WAF_REQUESTS } from '../../sidecar/src/filters/waf/metrics.ts';
import { ENDPOINT_AVAILABLE } from '../../sidecar/src/observe/group-exposition.ts';
import { NODEJS_EVENTLOOP_LAG_P99 } from '../../sidecar/src/observe/process-exposition.ts';
import { ACCESS_LOG_LINES_DROPPED, SPANS_DROPPED } from '../../sidecar/src/observe/sidecar-exposition.ts';
import { aggregate, and, counterOf, gaugeOf, increase, rate, sum, times, where } from './promql.ts';
import { type Alert, defineAlert } from './rule.ts';

const TEAM = { team: 'mesh' } as const;

const noEndpointAvailable = defineAlert({
  ...TEAM,
  name: 'NoEndpointAvailable',
  severity: 'page',
  expression: where(aggregate('max', gaugeOf(ENDPOINT_AVAILABLE), ['service_name', 'upstream']), '==', 0),
  holds: '1m',
  summary: ({ labels }) => `${labels.service_name} can reach no endpoint of ${labels.upstream}.`,
  description: ({ labels }) =>
    `For the sidecars of ${labels.service_name} every endpoint of ${labels.upstream} is ejected or fails its health checks. Requests go to any of them in spite of that, or fail with no_endpoint.`,
  dashboard: ({ labels }) => ({ name: 'service', variables: { service: labels.service_name } }),
});

const endpointsEjected = defineAlert({
  ...TEAM,
  name: 'EndpointsEjected',
  severity: 'ticket',
  expression: where(aggregate('avg', gaugeOf(ENDPOINT_AVAILABLE), ['service_name', 'upstream']), '<', 0.75),
  holds: '10m',
  summary: ({ labels }) => `${labels.service_name} does without endpoints of ${labels.upstream}.`,
  description: ({ labels, percent }) =>
    `For ten minutes the sidecars of ${labels.service_name} have used ${percent} of the endpoints of ${labels.upstream}; the others are ejected or fail their health checks.`,
  dashboard: ({ labels }) => ({ name: 'service', variables: { service: labels.service_name } }),
});

const rateLimitStoreAway = defineAlert({
  ...TEAM,
  name: 'RateLimitStoreAway',
  severity: 'ticket',
  expression: where(aggregate('max', gaugeOf(RATE_LIMIT_REDIS_UP), ['service_name', 'store']), '==', 0),
  holds: '2m',
  summary: ({ labels }) => `The sidecars of ${labels.service_name} cannot reach Redis ${labels.store}.`,
  description: ({ labels }) =>
    `No sidecar of ${labels.service_name} has an answer of ${labels.store}. Its rate limits do what their \`onFailure\` says: tenants may get more than their quota, or nothing.`,
  dashboard: () => ({ name: 'rate-limits' }),
});

const rateLimitOverflow = defineAlert({
  ...TEAM,
  name: 'RateLimitOverflow',
  severity: 'ticket',
  expression: where(sum(increase(counterOf(RATE_LIMIT_OVERFLOWS), '10m'), ['service_name', 'limit']), '>', 0),
  holds: '5m',
  summary: ({ labels }) =>
    `Limit ${labels.limit} of ${labels.service_name} has more keys over it than it can hold.`,
  description: ({ labels, value }) =>
    `${value} requests in ten minutes came with keys that had to share state, because every other key of ${labels.limit} is over its limit: many callers at once ask too much, or somebody makes up keys.`,
  dashboard: () => ({ name: 'rate-limits' }),
});

const blocked = (window: string) =>
  sum(rate(counterOf(WAF_REQUESTS, { result: 'blocked' }), window), ['service_name', 'policy']);

const wafSurge = defineAlert({
  ...TEAM,
  name: 'WafSurge',
  severity: 'ticket',
  // Ten times what a day is like, and enough to be more than one person who tries things out.
  expression: and(where(blocked('5m'), '>', times(blocked('1d'), 10)), where(blocked('5m'), '>', 0.5)),
  holds: '5m',
  summary: ({ labels }) =>
    `WAF policy ${labels.policy} of ${labels.service_name} blocks far more than on other days.`,
  description: ({ labels, value }) =>
    `${labels.policy} finds ${value} requests a second to block, more than ten times the mean of a day: an attack, or a new client or rule that is wrong about what is one.`,
  dashboard: ({ labels }) => ({ name: 'waf', variables: { service: labels.service_name } }),
});

const eventLoopStalls = defineAlert({
  ...TEAM,
  name: 'EventLoopStalls',
  severity: 'ticket',
  expression: where(
    aggregate('max', gaugeOf(NODEJS_EVENTLOOP_LAG_P99), ['service_name', 'instance']),
    '>',
    0.1,
  ),
  holds: '5m',
  summary: ({ labels }) => `A process of ${labels.service_name} is too slow for its work.`,
  description: ({ labels, duration }) =>
    `The event loop of ${labels.instance} (${labels.service_name}) comes ${duration} late to one of a hundred timers: it has too little CPU, or something blocks it. Every request there waits as long.`,
  dashboard: ({ labels }) => ({ name: 'sidecar', variables: { service: labels.service_name } }),
});

const spansDropped = defineAlert({
  ...TEAM,
  name: 'SpansDropped',
  severity: 'ticket',
  expression: where(sum(rate(counterOf(SPANS_DROPPED), '5m'), ['service_name', 'reason']), '>', 0),
  holds: '15m',
  summary: ({ labels }) => `Traces of ${labels.service_name} get lost (${labels.reason}).`,
  description: ({ labels, value }) =>
    `The sidecars of ${labels.service_name} drop ${value} spans a second that were to be exported. Requests are unaffected; traces have holes.`,
  dashboard: ({ labels }) => ({ name: 'telemetry', variables: { service: labels.service_name } }),
});

const logLinesDropped = defineAlert({
  ...TEAM,
  name: 'LogLinesDropped',
  severity: 'ticket',
  expression: where(sum(rate(counterOf(ACCESS_LOG_LINES_DROPPED), '5m'), ['service_name']), '>', 0),
  holds: '15m',
  summary: ({ labels }) => `The access log of ${labels.service_name} has holes.`,
  description: ({ labels, value }) =>
    `The sidecars of ${labels.service_name} drop ${value} lines of the access log a second: whoever reads them is too slow, or the disk is full.`,
  dashboard: ({ labels }) => ({ name: 'telemetry', variables: { service: labels.service_name } }),
});

export const SIDECAR_ALERTS: readonly Alert[] = [
  noEndpointAvailable,
  endpointsEjected,
  rateLimitStoreAway,
  rateLimitOverflow,
  wafSurge,
  eventLoopStalls,
  spansDropped,
  logLinesDropped,
];
