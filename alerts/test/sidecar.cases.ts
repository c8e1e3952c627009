import { RATE_LIMIT_OVERFLOWS, RATE_LIMIT_REDIS_UP } from '../../sidecar/src/filters/rate-limit/metrics.ts';
import { WAF_REQUESTS } from '../../sidecar/src/filters/waf/metrics.ts';
import { ENDPOINT_AVAILABLE } from '../../sidecar/src/observe/group-exposition.ts';
import { NODEJS_EVENTLOOP_LAG_P99 } from '../../sidecar/src/observe/process-exposition.ts';
import { ACCESS_LOG_LINES_DROPPED, SPANS_DROPPED } from '../../sidecar/src/observe/sidecar-exposition.ts';
import { type AlertCase, type Series, series } from './case.ts';

const ORDERS = { service_name: 'orders' };
const TICKET = { severity: 'ticket', team: 'mesh', service_name: 'orders' };
const PAGE = { ...TICKET, severity: 'page' };

/** Of an endpoint of payments, as an instance of orders sees it. */
function endpoint(instance: string, address: string, values: string): Series {
  return series(ENDPOINT_AVAILABLE, { ...ORDERS, instance, upstream: 'payments', endpoint: address }, values);
}

function blocked(values: string): Series {
  return series(WAF_REQUESTS, { ...ORDERS, policy: 'edge', mode: 'enforce', result: 'blocked' }, values);
}

export const SIDECAR_CASES: readonly AlertCase[] = [
  {
    alert: 'NoEndpointAvailable',
    firing: {
      series: [endpoint('a', '10.0.0.1:80', '1 0x20'), endpoint('a', '10.0.0.2:80', '1 0x20')],
      at: '5m',
      expected: [
        {
          labels: { ...PAGE, upstream: 'payments' },
          summary: 'orders can reach no endpoint of payments.',
          description:
            'For the sidecars of orders every endpoint of payments is ejected or fails its health checks. Requests go to any of them in spite of that, or fail with no_endpoint.',
          dashboard: 'tulle-service?var-service=orders',
        },
      ],
    },
    // One instance has lost all, another has not.
    silent: {
      series: [endpoint('a', '10.0.0.1:80', '0x20'), endpoint('b', '10.0.0.1:80', '1x20')],
      at: '5m',
    },
  },
  {
    alert: 'EndpointsEjected',
    firing: {
      series: [endpoint('a', '10.0.0.1:80', '0x30'), endpoint('a', '10.0.0.2:80', '1x30')],
      at: '12m',
      expected: [
        {
          labels: { ...TICKET, upstream: 'payments' },
          summary: 'orders does without endpoints of payments.',
          description:
            'For ten minutes the sidecars of orders have used 50% of the endpoints of payments; the others are ejected or fail their health checks.',
          dashboard: 'tulle-service?var-service=orders',
        },
      ],
    },
    // One of five, and half of them for a moment.
    silent: {
      series: [
        endpoint('a', '10.0.0.1:80', '0x30'),
        endpoint('a', '10.0.0.2:80', '1x9 0 0 0 1x20'),
        ...['3', '4', '5'].map((n) => endpoint('a', `10.0.0.${n}:80`, '1x30')),
      ],
      at: '12m',
    },
  },
  {
    alert: 'RateLimitStoreAway',
    firing: {
      series: [series(RATE_LIMIT_REDIS_UP, { ...ORDERS, store: 'shared' }, '1 0x20')],
      at: '5m',
      expected: [
        {
          labels: { ...TICKET, store: 'shared' },
          summary: 'The sidecars of orders cannot reach Redis shared.',
          description:
            'No sidecar of orders has an answer of shared. Its rate limits do what their `onFailure` says: tenants may get more than their quota, or nothing.',
          dashboard: 'tulle-rate-limits',
        },
      ],
    },
    silent: {
      series: [series(RATE_LIMIT_REDIS_UP, { ...ORDERS, store: 'shared' }, '1 0 1 0 1x20')],
      at: '5m',
    },
  },
  {
    alert: 'RateLimitOverflow',
    firing: {
      series: [series(RATE_LIMIT_OVERFLOWS, { ...ORDERS, policy: 'tenants', limit: 'tenant' }, '0+6x60')],
      at: '20m',
      expected: [
        {
          labels: { ...TICKET, limit: 'tenant' },
          summary: 'Limit tenant of orders has more keys over it than it can hold.',
          description:
            '60 requests in ten minutes came with keys that had to share state, because every other key of tenant is over its limit: many callers at once ask too much, or somebody makes up keys.',
          dashboard: 'tulle-rate-limits',
        },
      ],
    },
    silent: {
      series: [series(RATE_LIMIT_OVERFLOWS, { ...ORDERS, policy: 'tenants', limit: 'tenant' }, '0 9x60')],
      at: '20m',
    },
  },
  {
    alert: 'WafSurge',
    firing: {
      series: [blocked('0+1x1440 1500+120x60')],
      at: '1460m',
      expected: [
        {
          labels: { ...TICKET, policy: 'edge' },
          summary: 'WAF policy edge of orders blocks far more than on other days.',
          description:
            'edge finds 2 requests a second to block, more than ten times the mean of a day: an attack, or a new client or rule that is wrong about what is one.',
          dashboard: 'tulle-waf?var-service=orders',
        },
      ],
    },
    // Far more than usual, and still one person who tries things out.
    silent: { series: [blocked('0+0x1440 0+20x60')], at: '1460m' },
  },
  {
    alert: 'EventLoopStalls',
    firing: {
      series: [series(NODEJS_EVENTLOOP_LAG_P99, { ...ORDERS, instance: '10.0.0.7:15000' }, '0.25x20')],
      at: '6m',
      expected: [
        {
          labels: { ...TICKET, instance: '10.0.0.7:15000' },
          summary: 'A process of orders is too slow for its work.',
          description:
            'The event loop of 10.0.0.7:15000 (orders) comes 250ms late to one of a hundred timers: it has too little CPU, or something blocks it. Every request there waits as long.',
          dashboard: 'tulle-sidecar?var-service=orders',
        },
      ],
    },
    silent: {
      series: [
        series(NODEJS_EVENTLOOP_LAG_P99, { ...ORDERS, instance: '10.0.0.7:15000' }, '0.011 0.6 0.6 0.011x20'),
      ],
      at: '6m',
    },
  },
  {
    alert: 'SpansDropped',
    firing: {
      series: [series(SPANS_DROPPED, { ...ORDERS, reason: 'export_failed' }, '0+30x60')],
      at: '25m',
      expected: [
        {
          labels: { ...TICKET, reason: 'export_failed' },
          summary: 'Traces of orders get lost (export_failed).',
          description:
            'The sidecars of orders drop 500m spans a second that were to be exported. Requests are unaffected; traces have holes.',
          dashboard: 'tulle-telemetry?var-service=orders',
        },
      ],
    },
    silent: {
      series: [series(SPANS_DROPPED, { ...ORDERS, reason: 'export_failed' }, '0x5 900x60')],
      at: '25m',
    },
  },
  {
    alert: 'LogLinesDropped',
    firing: {
      series: [series(ACCESS_LOG_LINES_DROPPED, ORDERS, '0+60x60')],
      at: '25m',
      expected: [
        {
          labels: TICKET,
          summary: 'The access log of orders has holes.',
          description:
            'The sidecars of orders drop 1 lines of the access log a second: whoever reads them is too slow, or the disk is full.',
          dashboard: 'tulle-telemetry?var-service=orders',
        },
      ],
    },
    silent: { series: [series(ACCESS_LOG_LINES_DROPPED, ORDERS, '0x5 12x60')], at: '25m' },
  },
];
