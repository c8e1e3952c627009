/**
 * Where the time of requests goes: in the service, in the mesh, or in waiting.
 */
import { divide } from '../../alerts/src/promql.ts';
import { REQUEST_PHASE, REQUESTS } from '../../sidecar/src/observe/request-exposition.ts';
import { changesOf } from './annotations.ts';
import { createDashboard } from './dashboard.ts';
import { line } from './line.ts';
import { columnOf, linkTo } from './links.ts';
import { bars, singleStat, timeSeries } from './panel.ts';
import { divideAll, perSecond, topK } from './promql.ts';
import { IN_SERVICE, SERVICE_VARIABLES } from './scopes.ts';
import { ratio } from './signals.ts';
import { valueTable } from './table.ts';
import { above } from './thresholds.ts';

const INBOUND = { ...IN_SERVICE, direction: 'inbound' } as const;
const OUTBOUND = { ...IN_SERVICE, direction: 'outbound' } as const;
/** The sidecar alone is to thank for these. */
const OWN = { like: 'head|filters|limiter' } as const;
/** Nobody works in these. */
const WAITING = { like: 'limiter|retry|pool|connect|tls|downstream' } as const;
const PHASE_OF_ROUTE = ['direction', 'route', 'phase'] as const;

const shareOf = (phase: string | { readonly like: string }) =>
  ratio(perSecond(REQUEST_PHASE, { ...INBOUND, phase }), perSecond(REQUEST_PHASE, INBOUND));

export const phases = createDashboard({
  name: 'phases',
  title: 'Where time goes',
  description: 'Where the time of requests goes: in the service, in the mesh, or in waiting.',
  variables: SERVICE_VARIABLES,
  annotations: changesOf(IN_SERVICE),
  rows: [
    {
      title: 'Is it the service or the mesh?',
      panels: [
        singleStat({
          title: 'Time a request',
          description: 'Mean duration of requests to the chosen services.',
          unit: 's',
          query: divide(perSecond(REQUEST_PHASE, INBOUND), perSecond(REQUESTS, INBOUND)),
        }),
        singleStat({
          title: 'In the service',
          description:
            'Share of the time from the request sent to the first byte of the response. What the service itself waits for is in it.',
          unit: 'percentunit',
          query: shareOf('upstream'),
        }),
        singleStat({
          title: 'In the sidecar',
          description: 'Share of the time that heads, filters and limits take.',
          unit: 'percentunit',
          thresholds: above(0.1, 0.3),
          query: shareOf(OWN),
        }),
        singleStat({
          title: 'Waiting',
          description:
            'Share of the time in which nobody works: for a limit, a connection, a handshake, another attempt, or a caller that does not read.',
          unit: 'percentunit',
          thresholds: above(0.1, 0.3),
          query: shareOf(WAITING),
        }),
        singleStat({
          title: 'Lost in retries',
          description:
            'Share of the time of calls to others that went into attempts that failed, and pauses between them.',
          unit: 'percentunit',
          thresholds: above(0.05, 0.2),
          query: ratio(
            perSecond(REQUEST_PHASE, { ...OUTBOUND, phase: 'retry' }),
            perSecond(REQUEST_PHASE, OUTBOUND),
          ),
        }),
        singleStat({
          title: 'Slow callers',
          description: 'Share of the time in which a response is there and the caller does not read it.',
          unit: 'percentunit',
          query: shareOf('downstream'),
        }),
      ],
    },
    {
      title: 'By phase',
      panels: [
        timeSeries({
          title: 'Time a request, inbound',
          description:
            'Mean time of a request to the chosen services in each phase. They add up to its duration.',
          unit: 's',
          width: 9,
          stacked: true,
          lines: [
            line(
              divideAll(perSecond(REQUEST_PHASE, INBOUND, ['phase']), perSecond(REQUESTS, INBOUND)),
              ({ phase }) => phase,
            ),
          ],
        }),
        timeSeries({
          title: 'Time a call, outbound',
          description: 'Mean time of a call of the chosen services to others in each phase.',
          unit: 's',
          width: 9,
          stacked: true,
          lines: [
            line(
              divideAll(perSecond(REQUEST_PHASE, OUTBOUND, ['phase']), perSecond(REQUESTS, OUTBOUND)),
              ({ phase }) => phase,
            ),
          ],
        }),
        bars({
          title: 'Shares now',
          description: 'Of the time of requests to the chosen services, by phase.',
          unit: 'percentunit',
          width: 6,
          lines: [
            line(
              divideAll(perSecond(REQUEST_PHASE, INBOUND, ['phase']), perSecond(REQUEST_PHASE, INBOUND)),
              ({ phase }) => phase,
            ),
          ],
        }),
      ],
    },
    {
      title: 'By route',
      panels: [
        timeSeries({
          title: 'Where most of the time goes',
          description:
            'Seconds of requests a second: as many are under way at a time. Faster requests, or fewer, bring it down.',
          unit: 'short',
          lines: [
            line(
              topK(10, perSecond(REQUEST_PHASE, IN_SERVICE, PHASE_OF_ROUTE)),
              ({ direction, route, phase }) => `${direction} ${route}: ${phase}`,
            ),
          ],
        }),
        timeSeries({
          title: 'Waiting by route',
          description:
            'Seconds a second that requests wait for a limit, a connection, a handshake or another attempt.',
          unit: 'short',
          lines: [
            line(
              topK(10, perSecond(REQUEST_PHASE, { ...IN_SERVICE, phase: WAITING }, PHASE_OF_ROUTE)),
              ({ direction, route, phase }) => `${direction} ${route}: ${phase}`,
            ),
          ],
        }),
        valueTable({
          title: 'Phases of routes',
          description: 'Seconds a second in each phase of each route.',
          width: 8,
          rows: { service_name: 'service', direction: 'direction', route: 'route', phase: 'phase' },
          columns: [
            {
              head: 'time',
              unit: 'short',
              query: perSecond(REQUEST_PHASE, IN_SERVICE, ['service_name', ...PHASE_OF_ROUTE]),
            },
          ],
          links: [linkTo('service', 'Service', { service: columnOf('service') })],
        }),
      ],
    },
  ],
});
