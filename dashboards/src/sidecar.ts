/**
 * The sidecars themselves: what they cost, what is full, and whom they can't connect to.
 */
import { aggregate, divide, gaugeOf, rate, sum, sumOf } from '../../alerts/src/promql.ts';
import {
  DOWNSTREAM_CONNECTIONS,
  DOWNSTREAM_CONNECTIONS_ACCEPTED,
  DOWNSTREAM_CONNECTIONS_REJECTED,
  DOWNSTREAM_PLAINTEXT_CONNECTIONS,
  DOWNSTREAM_TLS_FAILURES,
  DOWNSTREAM_TLS_HANDSHAKES,
} from '../../sidecar/src/observe/listener-exposition.ts';
import {
  NODEJS_EVENTLOOP_LAG_P99,
  NODEJS_GC_DURATION,
  NODEJS_HEAP_SIZE_USED,
  PROCESS_CPU,
  PROCESS_MAX_FDS,
  PROCESS_OPEN_FDS,
  PROCESS_RESIDENT_MEMORY,
} from '../../sidecar/src/observe/process-exposition.ts';
import { REQUESTS } from '../../sidecar/src/observe/request-exposition.ts';
import { CONFIG_INFO, CONFIG_WARNINGS } from '../../sidecar/src/observe/sidecar-exposition.ts';
import { changesOf } from './annotations.ts';
import { createDashboard } from './dashboard.ts';
import { line } from './line.ts';
import { columnOf, labelOf, linkTo } from './links.ts';
import { singleStat, timeSeries } from './panel.ts';
import { pools } from './pools.ts';
import { highest, perSecond, RATE, total } from './promql.ts';
import { connections } from './relayed.ts';
import { IN_SIDECAR, SIDECAR_VARIABLES } from './scopes.ts';
import { valueTable } from './table.ts';
import { above, NONE_ALLOWED } from './thresholds.ts';

const EACH = ['service_name', 'instance'] as const;
type Each = { readonly service_name: string; readonly instance: string };
const sidecarName = ({ service_name, instance }: Each) => `${service_name} ${instance}`;
const toService = linkTo('service', 'Service', { service: labelOf('service_name') });

export const sidecar = createDashboard({
  name: 'sidecar',
  title: 'Sidecars',
  description: 'What sidecars cost, what of them is full, and whom they cannot connect to.',
  variables: SIDECAR_VARIABLES,
  annotations: changesOf(IN_SIDECAR),
  rows: [
    {
      title: 'Do they keep up?',
      panels: [
        singleStat({
          title: 'Sidecars',
          description: 'How many are there.',
          unit: 'short',
          query: aggregate('count', gaugeOf(CONFIG_WARNINGS, IN_SIDECAR)),
        }),
        singleStat({
          title: 'Busiest',
          description:
            'CPU of the busiest sidecar, in cores. A sidecar is one thread: at 1 it can do no more.',
          unit: 'percentunit',
          thresholds: above(0.6, 0.85),
          query: aggregate('max', perSecond(PROCESS_CPU, IN_SIDECAR, EACH)),
        }),
        singleStat({
          title: 'Largest',
          description: 'Memory of the largest sidecar.',
          unit: 'bytes',
          thresholds: above(300e6, 500e6),
          query: highest(PROCESS_RESIDENT_MEMORY, IN_SIDECAR),
        }),
        singleStat({
          title: 'Latest event loop',
          description:
            'How late an event loop is, 99 of 100 times less. All that a sidecar does waits for it.',
          unit: 's',
          thresholds: above(0.05, 0.2),
          query: highest(NODEJS_EVENTLOOP_LAG_P99, IN_SIDECAR),
        }),
        singleStat({
          title: 'CPU a request',
          description: 'CPU time of all sidecars, divided by the requests in and out of services.',
          unit: 's',
          query: divide(perSecond(PROCESS_CPU, IN_SIDECAR), perSecond(REQUESTS, IN_SIDECAR)),
        }),
        singleStat({
          title: 'Connections refused',
          description: 'Connections a second that were closed at once, as a listener had too many.',
          unit: 'cps',
          thresholds: NONE_ALLOWED,
          query: perSecond(DOWNSTREAM_CONNECTIONS_REJECTED, IN_SIDECAR),
        }),
      ],
    },
    {
      title: 'Process',
      panels: [
        timeSeries({
          title: 'CPU',
          description: 'In cores. A sidecar is one thread: at 1 it can do no more.',
          unit: 'percentunit',
          width: 6,
          thresholds: above(0.6, 0.85),
          lines: [line(perSecond(PROCESS_CPU, IN_SIDECAR, EACH), sidecarName)],
          links: [toService],
        }),
        timeSeries({
          title: 'Memory',
          description:
            'In RAM, buffers included, and the heap of JavaScript in it. What grows for days and never falls is a leak.',
          unit: 'bytes',
          width: 6,
          lines: [
            line(highest(PROCESS_RESIDENT_MEMORY, IN_SIDECAR, EACH), sidecarName),
            line(highest(NODEJS_HEAP_SIZE_USED, IN_SIDECAR, EACH), (labels) => `${sidecarName(labels)} heap`),
          ],
        }),
        timeSeries({
          title: 'Event loop',
          description: 'How late it is, 99 of 100 times less. All that a sidecar does waits for it.',
          unit: 's',
          width: 6,
          thresholds: above(0.05, 0.2),
          lines: [line(highest(NODEJS_EVENTLOOP_LAG_P99, IN_SIDECAR, EACH), sidecarName)],
        }),
        timeSeries({
          title: 'Garbage collection',
          description: 'Share of the time that goes to it, by kind.',
          unit: 'percentunit',
          width: 6,
          stacked: true,
          lines: [line(sum(rate(sumOf(NODEJS_GC_DURATION, IN_SIDECAR), RATE), ['kind']), ({ kind }) => kind)],
        }),
      ],
    },
    {
      title: 'Connections of callers',
      panels: [
        timeSeries({
          title: 'Open connections',
          description: 'Connections of callers, by listener.',
          unit: 'short',
          width: 6,
          lines: [
            line(
              total(DOWNSTREAM_CONNECTIONS, IN_SIDECAR, ['service_name', 'listener']),
              ({ service_name, listener }) => `${service_name} ${listener}`,
            ),
          ],
        }),
        timeSeries({
          title: 'New connections',
          description:
            'Accepted a second. Many of them for few requests are callers that do not keep connections alive.',
          unit: 'cps',
          width: 6,
          lines: [
            line(
              perSecond(DOWNSTREAM_CONNECTIONS_ACCEPTED, IN_SIDECAR, ['service_name', 'listener']),
              ({ service_name, listener }) => `${service_name} ${listener}`,
            ),
          ],
        }),
        timeSeries({
          title: 'TLS handshakes',
          description: 'Of callers, a second: those that succeeded, and those that failed by reason.',
          unit: 'cps',
          width: 6,
          lines: [
            line(
              perSecond(DOWNSTREAM_TLS_HANDSHAKES, IN_SIDECAR, ['service_name']),
              ({ service_name }) => `${service_name} good`,
            ),
            line(
              perSecond(DOWNSTREAM_TLS_FAILURES, IN_SIDECAR, ['service_name', 'reason']),
              ({ service_name, reason }) => `${service_name} ${reason}`,
            ),
          ],
        }),
        timeSeries({
          title: 'In clear',
          description:
            'Connections a second without TLS to listeners that allow it for now (permissive). When none come any more, strict is safe.',
          unit: 'cps',
          width: 6,
          lines: [
            line(
              perSecond(DOWNSTREAM_PLAINTEXT_CONNECTIONS, IN_SIDECAR, ['service_name', 'listener']),
              ({ service_name, listener }) => `${service_name} ${listener}`,
            ),
          ],
        }),
      ],
    },
    pools,
    connections,
    {
      title: 'Each of them',
      panels: [
        valueTable({
          title: 'Use',
          description: 'Each sidecar with what it uses, and how near it is to the limit of its open files.',
          width: 14,
          rows: { service_name: 'service', instance: 'instance' },
          columns: [
            {
              head: 'CPU',
              unit: 'percentunit',
              thresholds: above(0.6, 0.85),
              query: perSecond(PROCESS_CPU, IN_SIDECAR, EACH),
            },
            { head: 'memory', unit: 'bytes', query: highest(PROCESS_RESIDENT_MEMORY, IN_SIDECAR, EACH) },
            {
              head: 'open files',
              unit: 'percentunit',
              thresholds: above(0.7, 0.9),
              query: divide(
                highest(PROCESS_OPEN_FDS, IN_SIDECAR, EACH),
                highest(PROCESS_MAX_FDS, IN_SIDECAR, EACH),
              ),
            },
          ],
          links: [linkTo('service', 'Service', { service: columnOf('service') })],
        }),
        valueTable({
          title: 'Configs',
          description:
            'How many sidecars run which config. Those of one service have the same, but for the moment of a change.',
          width: 10,
          rows: { service_name: 'service', version: 'config' },
          columns: [
            {
              head: 'sidecars',
              unit: 'short',
              query: total(CONFIG_INFO, IN_SIDECAR, ['service_name', 'version']),
            },
          ],
        }),
      ],
    },
  ],
});
