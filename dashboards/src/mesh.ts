/**
 * The mesh as a whole: is it well, who calls whom, and where does it hurt.
 */
import {
  aggregate,
  gaugeOf,
  or,
  type Query,
  secondsUntil,
  sum,
  times,
  where,
} from '../../alerts/src/promql.ts';
import { UP } from '../../alerts/src/scrape-metrics.ts';
import { NODEJS_EVENTLOOP_LAG_P99 } from '../../sidecar/src/observe/process-exposition.ts';
import { PEER_REQUESTS, REQUESTS } from '../../sidecar/src/observe/request-exposition.ts';
import { CERTIFICATE_EXPIRY, CONFIG_WARNINGS } from '../../sidecar/src/observe/sidecar-exposition.ts';
import { changesOf } from './annotations.ts';
import { createDashboard } from './dashboard.ts';
import { line } from './line.ts';
import { columnOf, labelOf, linkTo } from './links.ts';
import { singleStat, timeSeries } from './panel.ts';
import { highest, perSecond, relabel } from './promql.ts';
import { IN_NAMESPACE, NAMESPACE_VARIABLES } from './scopes.ts';
import { served } from './signals.ts';
import { graph, valueTable } from './table.ts';
import { above, below, NONE_ALLOWED } from './thresholds.ts';

/** What enters the mesh comes from peers that prove no identity. */
const FROM_OUTSIDE = { ...IN_NAMESPACE, peer_identity: '' } as const;
const INBOUND_FAILURES = { ...IN_NAMESPACE, direction: 'inbound', failure: { not: 'none' } } as const;

/** Labels of a call, as the service that is called has them. */
const BETWEEN = ['peer_identity', 'service_name'] as const;

/** Who proved no identity. */
const OUTSIDE = 'outside';
/** The last part of an identity. */
const NAME = '.*/(.+)';

const ERRORS = above(0.001, 0.01);
const toService = linkTo('service', 'Service', { service: labelOf('service_name') });

export const mesh = createDashboard({
  name: 'mesh',
  title: 'Mesh',
  description: 'Whether the mesh is well, who calls whom in it, and which service to look at.',
  variables: NAMESPACE_VARIABLES,
  annotations: changesOf(IN_NAMESPACE),
  rows: [
    {
      title: 'Is it well?',
      panels: [
        singleStat({
          title: 'Requests from outside',
          description: 'Requests a second that enter the mesh: their callers prove no identity.',
          unit: 'reqps',
          query: served.rate(FROM_OUTSIDE),
        }),
        singleStat({
          title: 'Error ratio at the edge',
          description:
            'Share of requests from outside that a service or the mesh is to blame for. What a caller did wrong, or a policy refused, does not count.',
          unit: 'percentunit',
          thresholds: ERRORS,
          query: served.errorRatio(FROM_OUTSIDE),
        }),
        singleStat({
          title: 'p99 at the edge',
          description: 'One of a hundred requests from outside takes longer than this.',
          unit: 's',
          query: served.quantile(0.99, FROM_OUTSIDE),
        }),
        singleStat({
          title: 'Sidecars',
          description: 'Sidecars that are there and answer.',
          unit: 'short',
          query: aggregate('count', gaugeOf(CONFIG_WARNINGS, IN_NAMESPACE)),
        }),
        singleStat({
          title: 'Targets down',
          description:
            'Processes that Prometheus could not scrape: they are gone, or what they say is lost. Their numbers are missing from every other panel.',
          unit: 'short',
          thresholds: NONE_ALLOWED,
          without: '0',
          query: or(
            aggregate('count', where(gaugeOf(UP, IN_NAMESPACE), '==', 0)),
            times(aggregate('count', gaugeOf(UP, IN_NAMESPACE)), 0),
          ),
        }),
        singleStat({
          title: 'First certificate expires in',
          description:
            'Sidecars renew their certificates after two thirds of their life; one that is nearly over says that renewals fail.',
          unit: 's',
          thresholds: below(90, 30),
          query: secondsUntil(aggregate('min', gaugeOf(CERTIFICATE_EXPIRY, IN_NAMESPACE))),
        }),
      ],
    },
    {
      title: 'Who calls whom',
      panels: [
        graph({
          title: 'Topology',
          description:
            'Requests a second from caller to service, as the identities of both were proved by mTLS. "outside" is whoever proved none.',
          unit: 'reqps',
          edges: calls(),
          nodes: callers(),
        }),
        valueTable({
          title: 'Calls',
          description:
            'Every caller of every service: traffic, the share of errors that the service is to blame for, and how long it takes.',
          width: 12,
          height: 12,
          rows: { source: 'caller', target: 'service' },
          columns: [
            { head: 'requests', unit: 'reqps', query: calls() },
            {
              head: 'errors',
              unit: 'percentunit',
              thresholds: ERRORS,
              query: byNames(served.errorRatio(IN_NAMESPACE, BETWEEN)),
            },
            { head: 'p95', unit: 's', query: byNames(served.quantile(0.95, IN_NAMESPACE, BETWEEN)) },
            { head: 'p99', unit: 's', query: byNames(served.quantile(0.99, IN_NAMESPACE, BETWEEN)) },
          ],
          links: [linkTo('service', 'Service', { service: columnOf('service') })],
        }),
      ],
    },
    {
      title: 'Golden signals of services',
      panels: [
        timeSeries({
          title: 'Traffic',
          description: 'Requests a second to each service.',
          unit: 'reqps',
          width: 6,
          lines: [line(served.rate(IN_NAMESPACE, ['service_name']), ({ service_name }) => service_name)],
          links: [toService],
        }),
        timeSeries({
          title: 'Errors',
          description:
            'Share of the requests to each service that it, or the mesh around it, is to blame for.',
          unit: 'percentunit',
          width: 6,
          lines: [
            line(served.errorRatio(IN_NAMESPACE, ['service_name']), ({ service_name }) => service_name),
          ],
          links: [toService],
        }),
        timeSeries({
          title: 'Latency p95',
          description: 'One of twenty requests to each service takes longer than this.',
          unit: 's',
          width: 6,
          exemplars: true,
          lines: [
            line(served.quantile(0.95, IN_NAMESPACE, ['service_name']), ({ service_name }) => service_name),
          ],
          links: [toService],
        }),
        timeSeries({
          title: 'Saturation',
          description:
            'How late the event loop of each sidecar is, 99 of 100 times less. Above 50 ms it has more to do than one core can.',
          unit: 's',
          width: 6,
          lines: [
            line(
              highest(NODEJS_EVENTLOOP_LAG_P99, IN_NAMESPACE, ['service_name']),
              ({ service_name }) => service_name,
            ),
          ],
          links: [linkTo('sidecar', 'Sidecar', { service: labelOf('service_name') })],
        }),
      ],
    },
    {
      title: 'What goes wrong',
      panels: [
        timeSeries({
          title: 'Failures by reason',
          description:
            'Requests that did not end as they should, by the code that stands in log, span and problem body. Errors that applications answered with are not among them.',
          unit: 'reqps',
          width: 12,
          stacked: true,
          lines: [line(perSecond(REQUESTS, INBOUND_FAILURES, ['failure']), ({ failure }) => failure)],
        }),
        valueTable({
          title: 'Failures by service',
          description:
            'Which service a failure hits, and who is to blame: caller, policy, upstream or the mesh itself.',
          rows: { service_name: 'service', failure: 'failure', source: 'blamed' },
          columns: [
            {
              head: 'failures',
              unit: 'reqps',
              query: perSecond(REQUESTS, INBOUND_FAILURES, ['service_name', 'failure', 'source']),
            },
          ],
          links: [linkTo('service', 'Service', { service: columnOf('service') })],
        }),
      ],
    },
  ],
});

/** The same as caller and service: the last part of a SPIFFE id is the name of a service account. */
function byNames(query: Query<'peer_identity' | 'service_name'>): Query<'source' | 'target'> {
  const outside = relabel(query, { from: 'peer_identity', to: 'source', pattern: '', value: OUTSIDE });
  const source = relabel(outside, { from: 'peer_identity', to: 'source', pattern: NAME });
  return aggregate('max', relabel(source, { from: 'service_name', to: 'target' }), ['source', 'target']);
}

/** From what is counted of peers apart, which is right even where other series have no room. */
function calls(): Query<'source' | 'target'> {
  const inbound = perSecond(PEER_REQUESTS, { ...IN_NAMESPACE, direction: 'inbound' }, [
    'peer',
    'service_name',
  ]);
  const outside = relabel(inbound, { from: 'peer', to: 'source', pattern: 'unknown', value: OUTSIDE });
  const source = relabel(outside, { from: 'peer', to: 'source', pattern: NAME });
  return sum(relabel(source, { from: 'service_name', to: 'target' }), ['source', 'target']);
}

/** Who is called, with what comes to it; and who only calls. */
function callers(): Query<'node'> {
  const byTarget = sum(relabel(calls(), { from: 'target', to: 'node' }), ['node']);
  const bySource = sum(relabel(calls(), { from: 'source', to: 'node' }), ['node']);
  return or(byTarget, times(bySource, 0));
}
