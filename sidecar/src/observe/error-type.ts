/**
 * `error.type` of OpenTelemetry's HTTP conventions, the same in metrics and spans.
 */
import { FAILURES } from '../core/failure.ts';
import type { Direction } from '../core/route.ts';

/** The failure's name, else the status where it is an error for this side; empty when all is well. */
export function errorTypeOf(failure: number, status: number, direction: Direction): string {
  if (failure !== 0) return FAILURES[failure]?.name ?? '';
  // A 4xx is an answer well given by a server, and a call that failed for its client.
  return status >= (direction === 'inbound' ? 500 : 400) ? String(status) : '';
}
