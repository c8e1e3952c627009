import { HTTP_SERVER_REQUEST_DURATION as REQUESTS } from '../../sidecar/src/observe/request-exposition.ts';
import { CONFIG_REJECTED } from '../../sidecar/src/observe/sidecar-exposition.ts';
import { UP } from '../src/scrape-metrics.ts';
import { type AlertCase, type Series, series } from './case.ts';

/** A hundred requests a minute, of which so many fail. */
function traffic(service_name: string, failures: number): Series[] {
  return [
    series(REQUESTS, { service_name }, `0+${100 - failures}x60`),
    series(REQUESTS, { service_name, error_type: '500' }, `0+${failures}x60`),
  ];
}

const ORDERS = { service_name: 'orders' };

export const MESH_CASES: readonly AlertCase[] = [
  {
    alert: 'MeshFails',
    firing: {
      series: [...traffic('a', 10), ...traffic('b', 10), ...traffic('c', 0)],
      at: '10m',
      expected: [
        {
          labels: { severity: 'page', team: 'mesh' },
          summary: 'Most services fail: the mesh or something that all need is broken.',
          description:
            '66.67% of the services that have traffic fail more than 5 % of their requests. Alerts of single services are silenced while this one fires.',
          dashboard: 'tulle-mesh',
        },
      ],
    },
    // One of three fails, which is that service's own matter; what callers do wrong is nobody's.
    silent: {
      series: [
        ...traffic('a', 90),
        ...traffic('b', 0),
        ...traffic('c', 0),
        series(REQUESTS, { service_name: 'b', error_type: 'access_denied' }, '0+100x60'),
      ],
      at: '10m',
    },
  },
  {
    alert: 'ScrapeFails',
    firing: {
      series: [series(UP, { job: 'mesh', instance: '10.0.0.7:15000' }, '1 1 0x30')],
      at: '10m',
      expected: [
        {
          labels: { severity: 'ticket', team: 'mesh', job: 'mesh', instance: '10.0.0.7:15000' },
          summary: 'Nothing is known of 10.0.0.7:15000: Prometheus cannot read its metrics.',
          description:
            'Every scrape of 10.0.0.7:15000 (mesh) failed for five minutes. Other alerts are blind to what happens there.',
          dashboard: 'tulle-mesh',
        },
      ],
    },
    silent: { series: [series(UP, { job: 'mesh', instance: '10.0.0.7:15000' }, '1 0 0 0 1x30')], at: '5m' },
  },
  {
    alert: 'ConfigRejected',
    firing: {
      series: [series(CONFIG_REJECTED, ORDERS, '0x9 1x60')],
      at: '12m',
      expected: [
        {
          labels: { severity: 'ticket', team: 'mesh', service_name: 'orders' },
          summary: 'The sidecar of orders refused a config.',
          description:
            'A config that was given to the sidecar of orders in the last 15 minutes has mistakes. The one from before goes on; what was to change has not.',
          dashboard: 'tulle-sidecar?var-service=orders',
        },
      ],
    },
    silent: { series: [series(CONFIG_REJECTED, ORDERS, '7x60')], at: '40m' },
  },
];
