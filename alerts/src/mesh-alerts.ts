/**
 * Alerts on the mesh as a whole, and on what it is watched with.
 */
import { HTTP_SERVER_REQUEST_DURATION } from '../../sidecar/src/observe/request-exposition.ts';
import { CONFIG_REJECTED } from '../../sidecar/src/observe/sidecar-exposition.ts';
import {
  aggregate,
  and,
  constant,
  counterOf,
  countOf,
  divide,
  gaugeOf,
  increase,
  rate,
  sum,
  where,
} from './promql.ts';
import { type Alert, defineAlert } from './rule.ts';
import { UP } from './scrape-metrics.ts';
import { SERVICE_FAULTS } from './service-faults.ts';

const WINDOW = '5m';
const rateOf = (error_type?: { readonly like: string }) =>
  sum(rate(countOf(HTTP_SERVER_REQUEST_DURATION, { error_type }), WINDOW), ['service_name']);
const failing = where(divide(rateOf(SERVICE_FAULTS.http), rateOf()), '>', 0.05);
const busy = aggregate('count', where(rateOf(), '>', 0));

/** Always there: whoever waits for it knows that alerts get through. */
const watchdog = defineAlert({
  name: 'Watchdog',
  severity: 'none',
  team: 'mesh',
  expression: constant(1),
  holds: '0s',
  summary: () => 'Alerts get through.',
  description: () =>
    'This alert fires always. It goes to a dead man’s switch, which tells somebody when it stops coming: then Prometheus, Alertmanager or the way from them is broken.',
  dashboard: () => ({ name: 'mesh' }),
});

const meshFails = defineAlert({
  name: 'MeshFails',
  severity: 'page',
  team: 'mesh',
  expression: and(
    where(divide(aggregate('count', failing), busy), '>', 0.5),
    // Of two services, one that fails is not the mesh.
    where(busy, '>=', 3),
  ),
  holds: '2m',
  summary: () => 'Most services fail: the mesh or something that all need is broken.',
  description: ({ percent }) =>
    `${percent} of the services that have traffic fail more than 5 % of their requests. Alerts of single services are silenced while this one fires.`,
  dashboard: () => ({ name: 'mesh' }),
});

const scrapeFails = defineAlert({
  name: 'ScrapeFails',
  severity: 'ticket',
  team: 'mesh',
  expression: where(gaugeOf(UP), '==', 0),
  holds: '5m',
  summary: ({ labels }) => `Nothing is known of ${labels.instance}: Prometheus cannot read its metrics.`,
  description: ({ labels }) =>
    `Every scrape of ${labels.instance} (${labels.job}) failed for five minutes. Other alerts are blind to what happens there.`,
  dashboard: () => ({ name: 'mesh' }),
});

const configRejected = defineAlert({
  name: 'ConfigRejected',
  severity: 'ticket',
  team: 'mesh',
  expression: where(sum(increase(counterOf(CONFIG_REJECTED), '15m'), ['service_name']), '>', 0),
  holds: '0s',
  summary: ({ labels }) => `The sidecar of ${labels.service_name} refused a config.`,
  description: ({ labels }) =>
    `A config that was given to the sidecar of ${labels.service_name} in the last 15 minutes has mistakes. The one from before goes on; what was to change has not.`,
  dashboard: ({ labels }) => ({ name: 'sidecar', variables: { service: labels.service_name } }),
});

export const MESH_ALERTS: readonly Alert[] = [watchdog, meshFails, scrapeFails, configRejected];
