/** Key, request and certificate in one call, for whoever has the authority in its own process: tests, benchmarks, demonstrations. */
import { createKeyAndCsr } from '../../sidecar/src/identity/csr.ts';
import { NOBODY_DENIED } from '../../sidecar/src/identity/deny-list.ts';
import { NO_FOREIGN_ROOTS, type Svid } from '../../sidecar/src/identity/svid.ts';
import { readCsr } from './csr.ts';
import type { Issuer } from './issuer.ts';

export interface SvidRequest {
  readonly spiffeId: string;
  readonly ttlSeconds?: number;
  /** Long ago for an expired certificate, in the future (beyond the clock skew) for one that is not valid yet. */
  readonly validFromMs?: number;
}

export async function issueSvid(issuer: Issuer, request: SvidRequest): Promise<Svid> {
  const { keyPem, csrPem } = await createKeyAndCsr();
  const { spiffeId, ttlSeconds = 3600, validFromMs } = request;
  const issued = await issuer.sign({
    csr: await readCsr(csrPem),
    spiffeId,
    ttlSeconds,
    ...(validFromMs === undefined ? {} : { validFromMs }),
  });
  return {
    certificatePem: issued.certificatesPem,
    keyPem,
    rootsPem: issuer.trustBundle().rootsPem,
    spiffeId,
    notBeforeMs: issued.notBeforeMs,
    notAfterMs: issued.notAfterMs,
    denied: NOBODY_DENIED,
    foreign: NO_FOREIGN_ROOTS,
  };
}
