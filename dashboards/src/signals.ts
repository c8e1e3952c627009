/**
 * The golden signals of requests, as every dashboard counts them.
 */
import {
  type CommonLabel,
  countOf,
  divide,
  or,
  type Query,
  quantile,
  rate,
  type Selection,
  sum,
  times,
} from '../../alerts/src/promql.ts';
import { SERVICE_FAULTS } from '../../alerts/src/service-faults.ts';
import { DB_CLIENT_OPERATION_DURATION } from '../../sidecar/src/observe/datastore-exposition.ts';
import type { HistogramDeclaration } from '../../sidecar/src/observe/metric.ts';
import {
  HTTP_CLIENT_REQUEST_DURATION,
  HTTP_SERVER_REQUEST_DURATION,
  RPC_SERVER_CALL_DURATION,
} from '../../sidecar/src/observe/request-exposition.ts';
import { RATE } from './promql.ts';

/** Requests to services, as the sidecars of these answered them. */
export const served = signalsOf(HTTP_SERVER_REQUEST_DURATION);

/** Requests of services to others, as their own sidecars saw them. */
export const called = signalsOf(HTTP_CLIENT_REQUEST_DURATION);

/** Those of them that are calls of gRPC, with its status. */
export const grpcServed = signalsOf(RPC_SERVER_CALL_DURATION);

/** Commands of services to databases. */
export const commands = signalsOf(DB_CLIENT_OPERATION_DURATION);

function signalsOf<Label extends string>(metric: HistogramDeclaration<string, Label | 'error_type'>) {
  type Known = Label | 'error_type' | CommonLabel;

  const perSecond = <By extends Known = never>(
    where: Selection<Label | 'error_type'>,
    by: readonly By[] = [],
  ): Query<By> => sum(rate(countOf(metric, where), RATE), by);

  return {
    rate: perSecond,

    /** Share that the service, or the mesh around it, is to blame for: the errors of service levels. */
    errorRatio: <By extends Known = never>(
      where: Selection<Label | 'error_type'>,
      by: readonly By[] = [],
    ): Query<By> => ratio(perSecond({ ...where, error_type: SERVICE_FAULTS.http }, by), perSecond(where, by)),

    quantile: <By extends Known = never>(
      share: number,
      where: Selection<Label | 'error_type'>,
      by: readonly By[] = [],
    ): Query<By> => quantile(share, metric, { where, window: RATE, by }),
  };
}

/** Where there is a whole and no part of it, the ratio is 0 and not unknown. */
export function ratio<Label extends string>(part: Query<Label>, whole: Query<NoInfer<Label>>): Query<Label> {
  return divide(or(part, times(whole, 0)), whole);
}
