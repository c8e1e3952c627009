/**
 * Connections of sidecars to the endpoints that they call.
 */
import { quantile } from '../../alerts/src/promql.ts';
import {
  UPSTREAM_CONNECT_DURATION,
  UPSTREAM_CONNECT_FAILURES,
  UPSTREAM_IDLE_CONNECTIONS,
  UPSTREAM_OPEN_CONNECTIONS,
  UPSTREAM_PENDING_EXCHANGES,
  UPSTREAM_TLS_FAILURES,
} from '../../sidecar/src/observe/upstream-exposition.ts';
import type { Row } from './dashboard.ts';
import { line } from './line.ts';
import { timeSeries } from './panel.ts';
import { perSecond, RATE, total } from './promql.ts';
import { IN_SIDECAR } from './scopes.ts';

export const pools: Row = {
  title: 'Connections to endpoints',
  panels: [
    timeSeries({
      title: 'Pools',
      description: 'Connections to each service that is called, and how many of them wait for work.',
      unit: 'short',
      width: 6,
      lines: [
        line(
          total(UPSTREAM_OPEN_CONNECTIONS, IN_SIDECAR, ['upstream']),
          ({ upstream }) => `${upstream} open`,
        ),
        line(
          total(UPSTREAM_IDLE_CONNECTIONS, IN_SIDECAR, ['upstream']),
          ({ upstream }) => `${upstream} idle`,
        ),
      ],
    }),
    timeSeries({
      title: 'Waiting for a connection',
      description:
        'Requests that wait for one. More than a few for long: the pool is too small, or connections cannot be set up.',
      unit: 'short',
      width: 6,
      lines: [line(total(UPSTREAM_PENDING_EXCHANGES, IN_SIDECAR, ['upstream']), ({ upstream }) => upstream)],
    }),
    timeSeries({
      title: 'Setting connections up, p95',
      description: 'TCP and TLS; one of twenty takes longer than this.',
      unit: 's',
      width: 6,
      lines: [
        line(
          quantile(0.95, UPSTREAM_CONNECT_DURATION, {
            where: IN_SIDECAR,
            window: RATE,
            by: ['upstream'],
          }),
          ({ upstream }) => upstream,
        ),
      ],
    }),
    timeSeries({
      title: 'Connections that failed',
      description:
        'A second: not to be had at all, or with a TLS handshake that failed, as that of a peer which is not who it should be.',
      unit: 'cps',
      width: 6,
      lines: [
        line(
          perSecond(UPSTREAM_CONNECT_FAILURES, IN_SIDECAR, ['upstream']),
          ({ upstream }) => `${upstream} connect`,
        ),
        line(perSecond(UPSTREAM_TLS_FAILURES, IN_SIDECAR, ['upstream']), ({ upstream }) => `${upstream} TLS`),
      ],
    }),
  ],
};
