/**
 * What a dashboard is about: the variables that choose it, and the matchers that hold queries to the choice.
 */
import type {
  DatasourceVariableBuilder,
  QueryVariableBuilder,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { countOf, gaugeOf } from '../../alerts/src/promql.ts';
import { QUEUE_UP } from '../../services/lib/job-metrics.ts';
import { HTTP_SERVER_REQUEST_DURATION } from '../../sidecar/src/observe/request-exposition.ts';
import { CONFIG_WARNINGS } from '../../sidecar/src/observe/sidecar-exposition.ts';
import { chosen, labelVariable, metricsSource, tracesSource } from './variables.ts';

/** Every sidecar has it, whatever it is configured to do. */
const SIDECARS = gaugeOf(CONFIG_WARNINGS).text;

const NAMESPACE = labelVariable('namespace', { label: 'namespace', title: 'Namespace', selector: SIDECARS });

/** All services of the namespaces. */
export const IN_NAMESPACE = { namespace: chosen('namespace') } as const;
export const NAMESPACE_VARIABLES = [metricsSource(), NAMESPACE];

/** The services that are chosen, in these namespaces. */
export const IN_SERVICE = { ...IN_NAMESPACE, service_name: chosen('service') } as const;
export const SERVICE_VARIABLES = [
  ...NAMESPACE_VARIABLES,
  labelVariable('service', {
    label: 'service_name',
    title: 'Service',
    selector: gaugeOf(CONFIG_WARNINGS, IN_NAMESPACE).text,
  }),
];

/** Their sidecars alone: services have metrics of processes, too. */
export const IN_SIDECAR = { ...IN_SERVICE, job: chosen('job') } as const;
export const SIDECAR_VARIABLES = [
  ...SERVICE_VARIABLES,
  labelVariable('job', { label: 'job', title: 'Job', selector: SIDECARS, all: null }),
];

/** The endpoints of their APIs. */
export const IN_ROUTE = { ...IN_SERVICE, http_route: chosen('route') } as const;
export const ROUTE_VARIABLES = [
  ...SERVICE_VARIABLES,
  labelVariable('route', {
    label: 'http_route',
    title: 'Route',
    selector: countOf(HTTP_SERVER_REQUEST_DURATION, IN_SERVICE).selector,
  }),
];

/** Queues of jobs. */
export const IN_QUEUE = { ...IN_NAMESPACE, queue: chosen('queue') } as const;
export const QUEUE_VARIABLES = [
  ...NAMESPACE_VARIABLES,
  labelVariable('queue', { label: 'queue', title: 'Queue', selector: gaugeOf(QUEUE_UP, IN_NAMESPACE).text }),
];

/** With latencies on it, that lead to traces. */
export function withTraces<Variable extends DatasourceVariableBuilder | QueryVariableBuilder>(
  variables: readonly Variable[],
): (Variable | DatasourceVariableBuilder)[] {
  return [...variables, tracesSource()];
}
