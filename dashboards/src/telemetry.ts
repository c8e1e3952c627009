/**
 * What telemetry costs, and what of it is lost.
 */
import { divide } from '../../alerts/src/promql.ts';
import { SCRAPE_DURATION, SCRAPE_SAMPLES } from '../../alerts/src/scrape-metrics.ts';
import { BAGGAGE_CUT } from '../../sidecar/src/filters/baggage/metrics.ts';
import { OUTBOUND_CONTEXTS } from '../../sidecar/src/filters/linkage/metrics.ts';
import {
  METRIC_OVERFLOW,
  METRIC_SERIES,
  METRIC_SERIES_LIMIT,
} from '../../sidecar/src/observe/cardinality-exposition.ts';
import { DATASTORE_DESYNC } from '../../sidecar/src/observe/datastore-exposition.ts';
import {
  APP_SPANS_DROPPED,
  APP_SPANS_EXPORTED,
  APP_SPANS_RECEIVED,
} from '../../sidecar/src/observe/intake/metrics.ts';
import { TRACES_KEPT, TRACES_NOT_KEPT, TRACES_UNTOLD } from '../../sidecar/src/observe/retention/metrics.ts';
import {
  ACCESS_LOG_LINES_DROPPED,
  ACCESS_LOG_LINES_WRITTEN,
  SPANS_DROPPED,
  SPANS_EXPORTED,
  SPANS_RECORDED,
} from '../../sidecar/src/observe/sidecar-exposition.ts';
import { changesOf } from './annotations.ts';
import { createDashboard } from './dashboard.ts';
import { line } from './line.ts';
import { singleStat, timeSeries } from './panel.ts';
import { highest, perSecond, total } from './promql.ts';
import { IN_NAMESPACE, IN_SERVICE, SERVICE_VARIABLES } from './scopes.ts';
import { valueTable } from './table.ts';
import { above, below, NONE_ALLOWED } from './thresholds.ts';

export const telemetry = createDashboard({
  name: 'telemetry',
  title: 'Cost of telemetry',
  description: 'What spans, series and log lines cost, and what of them is lost.',
  variables: SERVICE_VARIABLES,
  annotations: changesOf(IN_SERVICE),
  rows: [
    {
      title: 'What is paid for, and is anything lost?',
      panels: [
        singleStat({
          title: 'Spans exported',
          description: 'Share of the recorded spans that the collector took: what traces cost.',
          unit: 'percentunit',
          query: divide(perSecond(SPANS_EXPORTED, IN_SERVICE), perSecond(SPANS_RECORDED, IN_SERVICE)),
        }),
        singleStat({
          title: 'Spans lost',
          description:
            'Sampled spans a second that were not exported. A collector that is slow or away costs spans, and nothing else.',
          unit: 'cps',
          thresholds: NONE_ALLOWED,
          query: perSecond(SPANS_DROPPED, IN_SERVICE),
        }),
        singleStat({
          title: 'Traces not kept',
          description:
            'Traces a second that were worth keeping, beyond what may be kept in a second: so much goes wrong that not all of it is needed.',
          unit: 'cps',
          thresholds: above(1, 1_000),
          query: perSecond(TRACES_NOT_KEPT, IN_SERVICE),
        }),
        singleStat({
          title: 'Log lines lost',
          description: 'Lines of the access log a second that had no room, or whose write failed.',
          unit: 'cps',
          thresholds: NONE_ALLOWED,
          query: perSecond(ACCESS_LOG_LINES_DROPPED, IN_SERVICE),
        }),
        singleStat({
          title: 'Samples a scrape',
          description: 'Of all targets in the namespaces together: what metrics cost.',
          unit: 'short',
          query: total(SCRAPE_SAMPLES, IN_NAMESPACE),
        }),
        singleStat({
          title: 'Calls that are linked',
          description:
            'Share of the calls of services that name the request they are made for. The others are traces of their own: those services do not hand the context on.',
          unit: 'percentunit',
          thresholds: below(0.95, 0.8),
          query: divide(
            perSecond(OUTBOUND_CONTEXTS, { ...IN_SERVICE, context: 'linked' }),
            perSecond(OUTBOUND_CONTEXTS, IN_SERVICE),
          ),
        }),
      ],
    },
    {
      title: 'Spans',
      panels: [
        timeSeries({
          title: 'Spans of sidecars',
          description: 'A second: recorded in the ring, taken by the collector, and lost.',
          unit: 'cps',
          lines: [
            line(perSecond(SPANS_RECORDED, IN_SERVICE), 'recorded'),
            line(perSecond(SPANS_EXPORTED, IN_SERVICE), 'exported'),
            line(perSecond(SPANS_DROPPED, IN_SERVICE, ['reason']), ({ reason }) => `lost: ${reason}`),
          ],
        }),
        timeSeries({
          title: 'Spans of services',
          description:
            'A second: what services sent to their sidecars, what of it the collector took, and what was lost.',
          unit: 'cps',
          lines: [
            line(perSecond(APP_SPANS_RECEIVED, IN_SERVICE), 'received'),
            line(perSecond(APP_SPANS_EXPORTED, IN_SERVICE), 'exported'),
            line(perSecond(APP_SPANS_DROPPED, IN_SERVICE, ['reason']), ({ reason }) => `lost: ${reason}`),
          ],
        }),
        timeSeries({
          title: 'Traces kept afterwards',
          description:
            'A second, although the head sample left them out, by reason; "told" are those that another sidecar kept.',
          unit: 'cps',
          stacked: true,
          lines: [
            line(perSecond(TRACES_KEPT, IN_SERVICE, ['reason']), ({ reason }) => reason),
            line(perSecond(TRACES_UNTOLD, IN_SERVICE), 'untold: others may miss their part'),
          ],
        }),
      ],
    },
    {
      title: 'Metrics and logs',
      panels: [
        timeSeries({
          title: 'Samples by target',
          description:
            'Of each scrape. What grows without end is a label that should not be one; sidecars have bounds for theirs.',
          unit: 'short',
          width: 6,
          lines: [
            line(
              total(SCRAPE_SAMPLES, IN_NAMESPACE, ['job', 'instance']),
              ({ job, instance }) => `${job} ${instance}`,
            ),
          ],
        }),
        timeSeries({
          title: 'Scrape time',
          description: 'How long the slowest target of each job takes. Requests go on meanwhile.',
          unit: 's',
          width: 6,
          lines: [line(highest(SCRAPE_DURATION, IN_NAMESPACE, ['job']), ({ job }) => job)],
        }),
        timeSeries({
          title: 'Series of requests and commands',
          description:
            'What traffic makes by the routes, statuses and peers that it brings, and how many a sidecar may have.',
          unit: 'short',
          width: 6,
          lines: [
            line(total(METRIC_SERIES, IN_SERVICE, ['service_name']), ({ service_name }) => service_name),
            line(highest(METRIC_SERIES_LIMIT, IN_SERVICE), 'limit of one sidecar'),
          ],
        }),
        timeSeries({
          title: 'Without a series of their own',
          description:
            'Requests and commands a second that are counted in an overflow series, as their own would be too many: sums are right, method and peer are lost.',
          unit: 'reqps',
          width: 6,
          lines: [
            line(
              perSecond(METRIC_OVERFLOW, IN_SERVICE, ['service_name', 'family']),
              ({ service_name, family }) => `${service_name} ${family}`,
            ),
          ],
        }),
        timeSeries({
          title: 'Lines of access logs',
          description: 'A second: written, and lost.',
          unit: 'cps',
          width: 8,
          lines: [
            line(
              perSecond(ACCESS_LOG_LINES_WRITTEN, IN_SERVICE, ['service_name']),
              ({ service_name }) => `${service_name} written`,
            ),
            line(
              perSecond(ACCESS_LOG_LINES_DROPPED, IN_SERVICE, ['service_name']),
              ({ service_name }) => `${service_name} lost`,
            ),
          ],
        }),
      ],
    },
    {
      title: 'Does context get through?',
      panels: [
        timeSeries({
          title: 'Calls by context',
          description:
            'Calls a second of services: linked to the request they are made for, with a context of their own, or with none.',
          unit: 'reqps',
          lines: [
            line(
              perSecond(OUTBOUND_CONTEXTS, IN_SERVICE, ['service_name', 'context']),
              ({ service_name, context }) => `${service_name} ${context}`,
            ),
          ],
        }),
        timeSeries({
          title: 'Baggage that was cut',
          description: 'Requests a second whose baggage was not passed on whole, by reason.',
          unit: 'reqps',
          lines: [
            line(
              perSecond(BAGGAGE_CUT, IN_SERVICE, ['direction', 'reason']),
              ({ direction, reason }) => `${direction} ${reason}`,
            ),
          ],
        }),
        valueTable({
          title: 'Data stores no longer looked at',
          description:
            'Connections a second whose commands are not observed any more, as their parser turned itself off. Traffic goes on.',
          width: 8,
          rows: { service_name: 'service', upstream: 'store', reason: 'reason' },
          columns: [
            {
              head: 'connections',
              unit: 'cps',
              query: perSecond(DATASTORE_DESYNC, IN_SERVICE, ['service_name', 'upstream', 'reason']),
            },
          ],
        }),
      ],
    },
  ],
});
