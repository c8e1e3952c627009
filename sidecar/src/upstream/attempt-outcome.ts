/**
 * What an attempt says about its endpoint: nothing, when the caller or the mesh ended it.
 */
import type { Exchange } from '../core/exchange.ts';
import { FAILURES, Failure, type FailureKind } from '../core/failure.ts';

export const OUTCOME_SUCCESS = 0;
/** The application answered with an error of its own. */
export const OUTCOME_ERROR = 1;
/** The endpoint did not answer, or said that it or what is behind it can't: 502, 503, 504. */
export const OUTCOME_GATEWAY = 2;
/** It could not be connected to. */
export const OUTCOME_CONNECT = 3;
/** It was given up before it had an end. */
export const OUTCOME_ABANDONED = 4;

/** By outcome, for metrics. */
export const OUTCOME_NAMES = ['success', 'error', 'gateway_failure', 'connect_failure', 'abandoned'] as const;

const CONNECT_FAILURES: readonly FailureKind[] = [
  Failure.connectRefused,
  Failure.connectTimeout,
  Failure.tlsFailed,
];
const OUTCOMES = Uint8Array.from(FAILURES, outcomeOfFailure);

/** gRPC statuses that servers give when they fail, not when they refuse (https://grpc.io/docs/guides/status-codes/). */
const GRPC_UNKNOWN = 2;
const GRPC_DEADLINE_EXCEEDED = 4;
const GRPC_INTERNAL = 13;
const GRPC_UNAVAILABLE = 14;
const GRPC_DATA_LOSS = 15;

export function outcomeOf({ attemptFailure, failure, attemptStatus, isGrpc, grpcStatus }: Exchange): number {
  if (attemptFailure !== Failure.none) return OUTCOMES[attemptFailure.code] as number;
  if (failure !== Failure.none) return OUTCOMES[failure.code] as number;
  if (attemptStatus < 500) return isGrpc ? outcomeOfCall(grpcStatus) : OUTCOME_SUCCESS;
  return attemptStatus >= 502 && attemptStatus <= 504 ? OUTCOME_GATEWAY : OUTCOME_ERROR;
}

function outcomeOfFailure(failure: FailureKind): number {
  if (CONNECT_FAILURES.includes(failure)) return OUTCOME_CONNECT;
  // How long a caller is willing to wait says more about the caller.
  if (failure.source !== 'upstream' || failure === Failure.deadlineExceeded) return OUTCOME_ABANDONED;
  return OUTCOME_GATEWAY;
}

function outcomeOfCall(status: number): number {
  if (status === GRPC_UNAVAILABLE || status === GRPC_DEADLINE_EXCEEDED) return OUTCOME_GATEWAY;
  const failed = status === GRPC_UNKNOWN || status === GRPC_INTERNAL || status === GRPC_DATA_LOSS;
  return failed ? OUTCOME_ERROR : OUTCOME_SUCCESS;
}
