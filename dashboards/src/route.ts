/**
 * The endpoints of an API: which of them is slow, and which of them fails.
 */
import { divide } from '../../alerts/src/promql.ts';
import { FAULTS } from '../../sidecar/src/filters/fault/metrics.ts';
import { MIRRORED_REQUESTS } from '../../sidecar/src/filters/mirror/metrics.ts';
import {
  HTTP_SERVER_REQUEST_DURATION,
  REQUEST_BODY_BYTES,
  REQUESTS,
  RESPONSE_BODY_BYTES,
} from '../../sidecar/src/observe/request-exposition.ts';
import { changesOf } from './annotations.ts';
import { createDashboard } from './dashboard.ts';
import { line } from './line.ts';
import { tracesOf } from './links.ts';
import { heatMap, singleStat, timeSeries } from './panel.ts';
import { bucketsPerSecond, orElse, perSecond, topK } from './promql.ts';
import { IN_ROUTE, IN_SERVICE, ROUTE_VARIABLES, withTraces } from './scopes.ts';
import { served } from './signals.ts';
import { valueTable } from './table.ts';
import { above } from './thresholds.ts';

const INBOUND = { ...IN_SERVICE, direction: 'inbound' } as const;
const ENDPOINT = ['service_name', 'http_route', 'http_request_method'] as const;
const ERRORS = above(0.001, 0.01);

/** More lines than that nobody tells apart. */
const SHOWN = 15;

type EndpointLabels = { readonly [L in (typeof ENDPOINT)[number]]: string };
const endpointName = ({ service_name, http_route, http_request_method }: EndpointLabels) =>
  `${service_name}: ${http_request_method} ${http_route}`;

export const route = createDashboard({
  name: 'route',
  title: 'Routes',
  description: 'The endpoints of APIs: which of them is slow, and which of them fails.',
  variables: withTraces(ROUTE_VARIABLES),
  annotations: changesOf(IN_SERVICE),
  rows: [
    {
      title: 'Which endpoint is it?',
      panels: [
        singleStat({
          title: 'Requests',
          description: 'Requests a second to the chosen routes.',
          unit: 'reqps',
          query: served.rate(IN_ROUTE),
        }),
        singleStat({
          title: 'Error ratio',
          description: 'Share of them that the service, or the mesh around it, is to blame for.',
          unit: 'percentunit',
          thresholds: ERRORS,
          query: served.errorRatio(IN_ROUTE),
        }),
        singleStat({
          title: 'p50',
          description: 'Half of the requests take longer than this.',
          unit: 's',
          query: served.quantile(0.5, IN_ROUTE),
        }),
        singleStat({
          title: 'p95',
          description: 'One of twenty requests takes longer than this.',
          unit: 's',
          query: served.quantile(0.95, IN_ROUTE),
        }),
        singleStat({
          title: 'p99',
          description: 'One of a hundred requests takes longer than this.',
          unit: 's',
          query: served.quantile(0.99, IN_ROUTE),
        }),
        singleStat({
          title: 'Refused by policy',
          description:
            'Share of the requests to the chosen services that a policy refused, whatever their route: limited, denied, blocked or shed.',
          unit: 'percentunit',
          query: divide(perSecond(REQUESTS, { ...INBOUND, source: 'policy' }), perSecond(REQUESTS, INBOUND)),
        }),
        timeSeries({
          title: 'API latency p95',
          description: `One of twenty requests takes longer than this; the ${SHOWN} slowest endpoints. Points are traces.`,
          unit: 's',
          exemplars: true,
          lines: [line(topK(SHOWN, served.quantile(0.95, IN_ROUTE, ENDPOINT)), endpointName)],
          links: [tracesOf()],
        }),
        timeSeries({
          title: 'API latency p99',
          description: `One of a hundred requests takes longer than this; the ${SHOWN} slowest endpoints. Points are traces.`,
          unit: 's',
          exemplars: true,
          lines: [line(topK(SHOWN, served.quantile(0.99, IN_ROUTE, ENDPOINT)), endpointName)],
          links: [tracesOf()],
        }),
        timeSeries({
          title: 'Error ratio by endpoint',
          description:
            'Share of the requests to each endpoint that the service, or the mesh around it, is to blame for.',
          unit: 'percentunit',
          lines: [line(topK(SHOWN, served.errorRatio(IN_ROUTE, ENDPOINT)), endpointName)],
        }),
      ],
    },
    {
      title: 'All endpoints',
      panels: [
        valueTable({
          title: 'Endpoints',
          description: 'Every endpoint with its golden signals; sort by what hurts.',
          width: 16,
          height: 10,
          rows: { service_name: 'service', http_route: 'route', http_request_method: 'method' },
          columns: [
            { head: 'requests', unit: 'reqps', query: served.rate(IN_ROUTE, ENDPOINT) },
            {
              head: 'errors',
              unit: 'percentunit',
              thresholds: ERRORS,
              query: served.errorRatio(IN_ROUTE, ENDPOINT),
            },
            { head: 'p50', unit: 's', query: served.quantile(0.5, IN_ROUTE, ENDPOINT) },
            { head: 'p95', unit: 's', query: served.quantile(0.95, IN_ROUTE, ENDPOINT) },
            { head: 'p99', unit: 's', query: served.quantile(0.99, IN_ROUTE, ENDPOINT) },
          ],
        }),
        heatMap({
          title: 'Distribution of latency',
          description: 'How many requests took how long. Two bands are two kinds of requests, or a cache.',
          unit: 's',
          height: 10,
          buckets: bucketsPerSecond(HTTP_SERVER_REQUEST_DURATION, IN_ROUTE),
        }),
      ],
    },
    {
      title: 'What they answer',
      panels: [
        timeSeries({
          title: 'Statuses',
          description: 'Requests a second by endpoint and status.',
          unit: 'reqps',
          stacked: true,
          lines: [
            line(
              orElse(
                'http_response_status_code',
                'no answer',
                served.rate(IN_ROUTE, ['http_route', 'http_response_status_code']),
              ),
              ({ http_route, http_response_status_code }) => `${http_response_status_code} ${http_route}`,
            ),
          ],
        }),
        timeSeries({
          title: 'Bytes',
          description: 'Bodies of requests and responses, framing not counted.',
          unit: 'binBps',
          lines: [
            line(
              perSecond(REQUEST_BODY_BYTES, INBOUND, ['service_name']),
              ({ service_name }) => `${service_name} in`,
            ),
            line(
              perSecond(RESPONSE_BODY_BYTES, INBOUND, ['service_name']),
              ({ service_name }) => `${service_name} out`,
            ),
          ],
        }),
        timeSeries({
          title: 'Injected faults and copies',
          description:
            'What is done to requests on purpose: faults of a FaultPolicy, and copies to another backend.',
          unit: 'reqps',
          lines: [
            line(
              perSecond(FAULTS, { ...IN_SERVICE, mode: 'enforce' }, ['route', 'fault']),
              ({ route, fault }) => `${fault} at ${route}`,
            ),
            line(
              perSecond(MIRRORED_REQUESTS, IN_SERVICE, ['route', 'backend']),
              ({ route, backend }) => `copy of ${route} to ${backend}`,
            ),
          ],
        }),
      ],
    },
  ],
});
