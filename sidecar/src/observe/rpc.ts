/**
 * How telemetry names gRPC calls, by OpenTelemetry's conventions for RPC.
 *
 * Invariant: a call's status is shown only when one was seen; a call without one has failed for another reason, which its failure tells.
 */
import type { Direction } from '../core/route.ts';

/** By number: https://grpc.io/docs/guides/status-codes/ */
const STATUS_NAMES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];
/** What a server is to blame for; the others are answers well given. */
export const SERVER_ERRORS = new Set([
  'UNKNOWN',
  'DEADLINE_EXCEEDED',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
]);

/** The first digits of the HTTP statuses to which google.rpc.Code maps them, by number. */
const STATUS_CLASSES = [2, 4, 5, 4, 5, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 4];

/** What class of HTTP's a status would be in; who makes up one of their own is to blame for it. */
export function statusClass(status: number): number {
  return STATUS_CLASSES[status] ?? 5;
}

/** `rpc.response.status_code`; empty when there was none. */
export function statusName(status: number): string {
  return status < 0 ? '' : (STATUS_NAMES[status] ?? String(status));
}

/** `error.type` of a call that ended with a status; empty when that is no error for this side. */
export function statusError(status: number, direction: Direction): string {
  const name = statusName(status);
  if (name === '' || name === 'OK') return '';
  return direction === 'outbound' || SERVER_ERRORS.has(name) || STATUS_NAMES[status] === undefined
    ? name
    : '';
}
