/** The form of SPIFFE id that this mesh gives to workloads: `spiffe://<trust-domain>/ns/<namespace>/sa/<service account>`. */
import { parseSpiffeId } from '../config/spiffe-id.ts';

export interface WorkloadId {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

const WORKLOAD_PATH = /^\/ns\/([^/]+)\/sa\/([^/]+)$/;

/** Null for whatever is no SPIFFE id, and for SPIFFE ids of another form. */
export function parseWorkloadId(text: string): WorkloadId | null {
  const id = parseSpiffeId(text);
  const match = typeof id === 'string' ? null : WORKLOAD_PATH.exec(id.path);
  if (typeof id === 'string' || match === null) return null;
  const [, namespace = '', serviceAccount = ''] = match;
  return { trustDomain: id.trustDomain, namespace, serviceAccount };
}
