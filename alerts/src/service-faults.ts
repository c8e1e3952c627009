/**
 * Which errors count against a service: those that it, or the mesh around it, is to blame for. What a caller did wrong, or what a rule rightly
 * refused, does not.
 */
import { FAILURES } from '../../sidecar/src/core/failure.ts';
import { SERVER_ERRORS } from '../../sidecar/src/observe/rpc.ts';

const failures = FAILURES.filter(
  ({ source, httpStatus }) =>
    source === 'upstream' || source === 'mesh' || (source === 'policy' && httpStatus >= 500),
).map(({ name }) => name);

/** Of `error_type`, by the protocol that it is about. */
export const SERVICE_FAULTS = {
  http: { like: ['5..', ...failures].join('|') },
  grpc: { like: [...SERVER_ERRORS, ...failures].join('|') },
} as const;
