/**
 * Connections that sidecars pass on as TCP.
 */
import { quantile } from '../../alerts/src/promql.ts';
import {
  TCP_ACTIVE_CONNECTIONS,
  TCP_CLIENT_BYTES,
  TCP_CONNECTION_DURATION,
  TCP_CONNECTIONS_CLOSED,
  TCP_SERVER_BYTES,
} from '../../sidecar/src/observe/connection-exposition.ts';
import type { Row } from './dashboard.ts';
import { line } from './line.ts';
import { timeSeries } from './panel.ts';
import { perSecond, RATE, total } from './promql.ts';
import { IN_SIDECAR } from './scopes.ts';

export const connections: Row = {
  title: 'Connections that are passed on',
  panels: [
    timeSeries({
      title: 'Passed on',
      description: 'Connections of TCP that sidecars pass on now.',
      unit: 'short',
      width: 6,
      lines: [
        line(
          total(TCP_ACTIVE_CONNECTIONS, IN_SIDECAR, ['direction', 'route']),
          ({ direction, route }) => `${direction} ${route}`,
        ),
      ],
    }),
    timeSeries({
      title: 'Ends of connections',
      description: 'A second, by failure code; "none" is an orderly end of both sides.',
      unit: 'cps',
      width: 6,
      lines: [
        line(
          perSecond(TCP_CONNECTIONS_CLOSED, IN_SIDECAR, ['route', 'failure']),
          ({ route, failure }) => `${route} ${failure}`,
        ),
      ],
    }),
    timeSeries({
      title: 'Bytes passed on',
      description: 'To servers, and back.',
      unit: 'binBps',
      width: 6,
      lines: [
        line(perSecond(TCP_CLIENT_BYTES, IN_SIDECAR, ['route']), ({ route }) => `to ${route}`),
        line(perSecond(TCP_SERVER_BYTES, IN_SIDECAR, ['route']), ({ route }) => `from ${route}`),
      ],
    }),
    timeSeries({
      title: 'Age of connections at their end',
      description: 'Half of them were older than this. Short ones are clients without a pool.',
      unit: 's',
      width: 6,
      lines: [
        line(
          quantile(0.5, TCP_CONNECTION_DURATION, { where: IN_SIDECAR, window: RATE, by: ['route'] }),
          ({ route }) => route,
        ),
      ],
    }),
  ],
};
