/**
 * What follows from another SVID, other roots, own or foreign ones, and another list of who is denied.
 *
 * Invariants: new handshakes use what is new; open connections go on, unless their peer is denied or its trust domain no longer accepted: those end at once, with a reset, so that nobody takes what they
 * brought for complete. Handshakes that were under way meanwhile are looked at when they must be over.
 */
import type { TLSSocket } from 'node:tls';
import type { Identity } from './identity/identity.ts';
import { readCertificates } from './identity/svid.ts';
import { isRefused } from './identity/trust.ts';
import type { IdentityReading } from './observe/series.ts';
import type { TransportContext } from './transport/transport.ts';

export interface IdentityUsers {
  readonly context: TransportContext;
  /** No handshake takes longer. */
  readonly handshakeMs: number;
  /** New connections are to be made by the SVID of now. */
  renew(): void;
}

export function followIdentity(identity: Identity, { context, handshakeMs, renew }: IdentityUsers): void {
  let { denied, foreign } = identity.svid;
  identity.onRotated((svid) => {
    renew();
    if (svid.denied === denied && svid.foreign === foreign) return;
    ({ denied, foreign } = svid);
    const end = (): void => endRefused(context, identity);
    context.handle(end);
    context.after(handshakeMs, end);
  });
}

/** For metrics. */
export function readIdentity(identity: Identity | null): IdentityReading | null {
  if (identity === null) return null;
  const { svid, expired, trustRefreshedMs } = identity;
  const rootEndsMs = readCertificates(svid.rootsPem, 'roots').map((root) => root.validToDate.getTime());
  return {
    certificateIssuedMs: svid.notBeforeMs,
    certificateExpiresMs: svid.notAfterMs,
    certificateExpired: expired,
    rootExpiresMs: Math.min(...rootEndsMs),
    trustRefreshedMs,
  };
}

function endRefused(context: TransportContext, { svid }: Identity): void {
  for (const transport of [...context.encrypted]) {
    const socket = transport.socket as TLSSocket;
    const isEstablished = socket.authorized && !transport.gone;
    if (isEstablished && isRefused(socket, svid)) transport.reset();
  }
}
