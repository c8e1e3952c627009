/**
 * SPIFFE identities, `spiffe://<trust-domain>/<path>`, checked by the rules of the SPIFFE-ID standard: no port, no query,
 * no empty or dot segment, lower-case trust domain. An identity is compared byte by byte everywhere else, which is
 * only safe because whatever passes here has a single spelling.
 */
export type SpiffeId = { readonly trustDomain: string; readonly path: string };

const MAX_ID_BYTES = 2048;
const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
const SEGMENT = /^[A-Za-z0-9._-]+$/;

/** The parsed identity, or a sentence's end that says what is wrong with it. */
export function parseSpiffeId(text: string): SpiffeId | string {
  if (text.length > MAX_ID_BYTES) return `is longer than ${MAX_ID_BYTES} bytes`;
  if (!text.startsWith('spiffe://')) return 'does not start with spiffe://';
  const rest = text.slice('spiffe://'.length);
  const slash = rest.indexOf('/');
  if (slash < 0) return 'names a trust domain but no workload';
  const trustDomain = rest.slice(0, slash);
  if (!isTrustDomain(trustDomain)) return `has a malformed trust domain "${trustDomain}"`;
  const path = rest.slice(slash);
  for (const segment of path.slice(1).split('/')) {
    if (!SEGMENT.test(segment) || segment === '.' || segment === '..') {
      return `has a malformed path segment "${segment}"`;
    }
  }
  return { trustDomain, path };
}

export function isTrustDomain(text: string): boolean {
  return TRUST_DOMAIN.test(text);
}

/** The form that this mesh gives to workloads: `spiffe://<trust-domain>/ns/<namespace>/sa/<service account>`. */
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
