/**
 * One service: what its callers get, what it gets from those it calls, and its data stores.
 */
import {
  ACTIVE_EXCHANGES,
  HTTP_SERVER_REQUEST_DURATION,
  REQUESTS,
} from '../../sidecar/src/observe/request-exposition.ts';
import { changesOf } from './annotations.ts';
import { createDashboard } from './dashboard.ts';
import { line } from './line.ts';
import { columnOf, labelOf, linkTo, tracesOf } from './links.ts';
import { heatMap, singleStat, timeSeries } from './panel.ts';
import { bucketsPerSecond, orElse, perSecond, total } from './promql.ts';
import { resilience } from './resilience.ts';
import { IN_SERVICE, SERVICE_VARIABLES, withTraces } from './scopes.ts';
import { called, commands, grpcServed, served } from './signals.ts';
import { valueTable } from './table.ts';
import { above } from './thresholds.ts';

const INBOUND = { ...IN_SERVICE, direction: 'inbound' } as const;
const OUTBOUND = { ...IN_SERVICE, direction: 'outbound' } as const;
const BY_ROUTE = ['service_name', 'http_route'] as const;
const ERRORS = above(0.001, 0.01);

export const service = createDashboard({
  name: 'service',
  title: 'Service',
  description: 'What the callers of a service get from it, and what it gets from those that it calls.',
  variables: withTraces(SERVICE_VARIABLES),
  annotations: changesOf(IN_SERVICE),
  rows: [
    {
      title: 'What callers get',
      panels: [
        singleStat({
          title: 'Requests',
          description: 'Requests a second to the service.',
          unit: 'reqps',
          query: served.rate(IN_SERVICE),
        }),
        singleStat({
          title: 'Error ratio',
          description: 'Share of requests that the service, or the mesh around it, is to blame for.',
          unit: 'percentunit',
          thresholds: ERRORS,
          query: served.errorRatio(IN_SERVICE),
        }),
        singleStat({
          title: 'p50',
          description: 'Half of the requests take longer than this.',
          unit: 's',
          query: served.quantile(0.5, IN_SERVICE),
        }),
        singleStat({
          title: 'p95',
          description: 'One of twenty requests takes longer than this.',
          unit: 's',
          query: served.quantile(0.95, IN_SERVICE),
        }),
        singleStat({
          title: 'p99',
          description: 'One of a hundred requests takes longer than this.',
          unit: 's',
          query: served.quantile(0.99, IN_SERVICE),
        }),
        singleStat({
          title: 'Under way',
          description:
            'Requests that the service works on now. If it grows while traffic does not, the service is stuck.',
          unit: 'short',
          query: total(ACTIVE_EXCHANGES, INBOUND),
        }),
        timeSeries({
          title: 'Requests by status',
          description:
            'Requests a second by the status of their answer; those without one were not answered.',
          unit: 'reqps',
          stacked: true,
          lines: [
            line(
              orElse(
                'http_response_status_code',
                'no answer',
                served.rate(IN_SERVICE, ['http_response_status_code']),
              ),
              ({ http_response_status_code }) => http_response_status_code,
            ),
          ],
        }),
        timeSeries({
          title: 'Errors by type',
          description:
            'Requests a second that failed, for whatever reason: the status the service answered with, or the failure code of the mesh. Policies that refuse are here, too.',
          unit: 'reqps',
          stacked: true,
          lines: [
            line(
              served.rate({ ...IN_SERVICE, error_type: { not: '' } }, ['error_type']),
              ({ error_type }) => error_type,
            ),
          ],
        }),
        timeSeries({
          title: 'Latency',
          description:
            'How long requests take, from the first byte of the head to the end of the response. Points are traces.',
          unit: 's',
          exemplars: true,
          lines: [
            line(served.quantile(0.5, IN_SERVICE), 'p50'),
            line(served.quantile(0.95, IN_SERVICE), 'p95'),
            line(served.quantile(0.99, IN_SERVICE), 'p99'),
          ],
          links: [tracesOf()],
        }),
      ],
    },
    {
      title: 'By caller and by endpoint',
      panels: [
        heatMap({
          title: 'Distribution of latency',
          description: 'How many requests took how long. Two bands are two kinds of requests, or a cache.',
          unit: 's',
          buckets: bucketsPerSecond(HTTP_SERVER_REQUEST_DURATION, IN_SERVICE),
        }),
        timeSeries({
          title: 'Traffic by caller',
          description: 'Requests a second by the identity that mTLS proved; without one, from outside.',
          unit: 'reqps',
          stacked: true,
          lines: [
            line(
              orElse('peer_identity', 'outside', served.rate(IN_SERVICE, ['peer_identity'])),
              ({ peer_identity }) => peer_identity,
            ),
          ],
        }),
        valueTable({
          title: 'Endpoints',
          description: 'The rules of the service: traffic, errors and latency of each.',
          width: 8,
          rows: { service_name: 'service', http_route: 'route' },
          columns: [
            { head: 'requests', unit: 'reqps', query: served.rate(IN_SERVICE, BY_ROUTE) },
            {
              head: 'errors',
              unit: 'percentunit',
              thresholds: ERRORS,
              query: served.errorRatio(IN_SERVICE, BY_ROUTE),
            },
            { head: 'p95', unit: 's', query: served.quantile(0.95, IN_SERVICE, BY_ROUTE) },
          ],
          links: [linkTo('route', 'Route', { service: columnOf('service'), route: columnOf('route') })],
        }),
      ],
    },
    {
      title: 'What it gets from others',
      panels: [
        timeSeries({
          title: 'Calls',
          description: 'Requests a second of the service to each other.',
          unit: 'reqps',
          width: 6,
          lines: [line(called.rate(IN_SERVICE, ['server_address']), ({ server_address }) => server_address)],
          links: [linkTo('service', 'That service', { service: labelOf('server_address') })],
        }),
        timeSeries({
          title: 'Errors of calls',
          description:
            'Share of the calls to each service that failed for good, after retries: what its own callers would see of it.',
          unit: 'percentunit',
          width: 6,
          lines: [
            line(called.errorRatio(IN_SERVICE, ['server_address']), ({ server_address }) => server_address),
          ],
          links: [linkTo('service', 'That service', { service: labelOf('server_address') })],
        }),
        timeSeries({
          title: 'Latency of calls p95',
          description: 'One of twenty calls to each service takes longer than this, retries included.',
          unit: 's',
          width: 6,
          exemplars: true,
          lines: [
            line(
              called.quantile(0.95, IN_SERVICE, ['server_address']),
              ({ server_address }) => server_address,
            ),
          ],
        }),
        timeSeries({
          title: 'Failures of calls by reason',
          description: 'Calls a second that the mesh gave up, by failure code.',
          unit: 'reqps',
          width: 6,
          stacked: true,
          lines: [
            line(
              perSecond(REQUESTS, { ...OUTBOUND, failure: { not: 'none' } }, ['route', 'failure']),
              ({ route, failure }) => `${route} ${failure}`,
            ),
          ],
        }),
      ],
    },
    resilience,
    {
      title: 'gRPC and data stores',
      panels: [
        timeSeries({
          title: 'gRPC calls by status',
          description: 'Calls a second to the service, by method and status.',
          unit: 'reqps',
          lines: [
            line(
              grpcServed.rate(IN_SERVICE, ['rpc_method', 'rpc_response_status_code']),
              ({ rpc_method, rpc_response_status_code }) => `${rpc_method} ${rpc_response_status_code}`,
            ),
          ],
        }),
        timeSeries({
          title: 'Commands to data stores',
          description: 'Commands a second to Redis and MongoDB, as they pass the sidecar.',
          unit: 'ops',
          lines: [
            line(
              commands.rate(IN_SERVICE, ['server_address', 'db_operation_name']),
              ({ server_address, db_operation_name }) => `${server_address} ${db_operation_name}`,
            ),
          ],
        }),
        timeSeries({
          title: 'Data stores p95',
          description:
            'One of twenty commands takes longer than this. Commands that wait for something on purpose are left out.',
          unit: 's',
          lines: [
            line(
              commands.quantile(0.95, { ...IN_SERVICE, blocking: '' }, ['server_address', 'db_system_name']),
              ({ server_address, db_system_name }) => `${server_address} (${db_system_name})`,
            ),
          ],
        }),
      ],
    },
  ],
});
