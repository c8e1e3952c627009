import { HTTP_SERVER_REQUEST_DURATION as REQUESTS } from '../../sidecar/src/observe/request-exposition.ts';
import { type AlertCase, bucket, series } from './case.ts';

const GATEWAY = { service_name: 'gateway' };
const LABELS = { ...GATEWAY, team: 'platform', slo: 'gateway-availability' };
const PROMISE =
  '99.9 % of the requests to gateway are to be answered without an error of its own; of those in the longer window';

export const SERVICE_LEVEL_CASES: readonly AlertCase[] = [
  {
    alert: 'ErrorBudgetBurnsFast',
    firing: {
      // Two hours with no failure, then 10 % of the requests.
      series: [
        series(REQUESTS, GATEWAY, '0+1000x180'),
        series(REQUESTS, { ...GATEWAY, error_type: 'upstream_timeout' }, '0x120 0+100x60'),
      ],
      at: '140m',
      expected: [
        {
          labels: { ...LABELS, severity: 'page' },
          summary: 'gateway misses gateway-availability: its error budget is gone soon',
          description: `${PROMISE} 3.069% were not. The error budget burns faster than 14.4x over 1h and 5m, or 6x over 6h and 30m.`,
          dashboard: 'tulle-slo?var-slo=gateway-availability',
        },
      ],
    },
    // As much, and over: the short window says that nobody needs to get up any more. Beside it what callers did wrong.
    silent: {
      series: [
        series(REQUESTS, GATEWAY, '0+1000x180'),
        series(REQUESTS, { ...GATEWAY, error_type: 'upstream_timeout' }, '0x120 0+100x10 1000x60'),
        series(REQUESTS, { ...GATEWAY, error_type: 'rate_limited' }, '0+900x180'),
      ],
      at: '175m',
    },
  },
  {
    alert: 'ErrorBudgetBurnsFast',
    firing: {
      // A fifth of the requests is too slow; errors are another objective's matter.
      series: [
        series(REQUESTS, { ...GATEWAY, error_type: '' }, '0+1000x120'),
        bucket(REQUESTS, { ...GATEWAY, error_type: '', le: '0.25' }, '0+800x120'),
      ],
      at: '90m',
      expected: [
        {
          labels: { ...LABELS, slo: 'gateway-latency', severity: 'page' },
          summary: 'gateway misses gateway-latency: its error budget is gone soon',
          description:
            '99 % of the requests to gateway are to be answered within 250 ms; of those in the longer window 20% were not. The error budget burns faster than 14.4x over 1h and 5m, or 6x over 6h and 30m.',
          dashboard: 'tulle-slo?var-slo=gateway-latency',
        },
      ],
    },
    // A seventh for a third of the hour is not yet 14.4 times too much; what a lower bucket has does not matter.
    silent: {
      series: [
        series(REQUESTS, { ...GATEWAY, error_type: '' }, '0+1000x120'),
        bucket(REQUESTS, { ...GATEWAY, error_type: '', le: '0.25' }, '0+1000x100 100860+860x20'),
        bucket(REQUESTS, { ...GATEWAY, error_type: '', le: '0.1' }, '0+200x120'),
      ],
      at: '120m',
    },
  },
  {
    alert: 'ErrorBudgetBurnsSlowly',
    firing: {
      // 0.4 % of the requests for two days: four times what is allowed, and no page.
      series: [
        series(REQUESTS, GATEWAY, '0+1000x600'),
        series(REQUESTS, { ...GATEWAY, error_type: '500' }, '0+4x600'),
      ],
      every: '5m',
      at: '2880m',
      expected: [
        {
          labels: { ...LABELS, severity: 'ticket' },
          summary: 'gateway misses gateway-availability: its error budget will not last',
          description: `${PROMISE} 0.3984% were not. The error budget burns faster than 3x over 1d and 2h, or 1x over 3d and 6h.`,
          dashboard: 'tulle-slo?var-slo=gateway-availability',
        },
      ],
    },
    silent: {
      series: [
        series(REQUESTS, GATEWAY, '0+1000x600'),
        series(REQUESTS, { ...GATEWAY, error_type: '500' }, '0+0.9x600'),
      ],
      every: '5m',
      at: '2880m',
    },
  },
];
