/**
 * Who asks, by the SVID that they have: the id of a valid one is that of the next.
 *
 * Invariants: the handshake has proved the key and led the chain to a root of the trust bundle. What ends an identity ends its renewals: the
 * certificate's time, which is looked at again for each request, the enrolment being taken back, and a denial. Ids that others vouch for each time are not renewed
 * here, or a stolen key would outlive what they say.
 */
import { X509Certificate } from 'node:crypto';
import { parseWorkloadId } from '../../sidecar/src/identity/spiffe-id.ts';
import { spiffeIdOf } from '../../sidecar/src/identity/uri-name.ts';
import type { Attested, Attestor, Claim } from './attestor.ts';
import type { Denials } from './denials.ts';
import { Refusal, refuseProof } from './refusal.ts';

export interface RenewalOptions {
  readonly trustDomain: string;
  readonly isEnrolled: (spiffeId: string) => Promise<boolean>;
  readonly denials: Denials;
  readonly nowMs?: () => number;
}

export function createRenewal(options: RenewalOptions): Attestor {
  const { trustDomain, isEnrolled, denials, nowMs = Date.now } = options;
  return {
    async attest({ socket }: Claim): Promise<Attested> {
      const raw = socket.getPeerCertificate().raw;
      if (raw === undefined)
        throw refuseProof('no_svid', 'Renewal takes a connection with a client certificate, the SVID.');
      const leaf = new X509Certificate(raw);
      if (nowMs() >= leaf.validToDate.getTime()) {
        throw refuseProof('svid_expired', 'The SVID has expired; enrol with another join token.');
      }
      const spiffeId = leaf.ca ? null : spiffeIdOf(leaf.subjectAltName);
      const id = spiffeId === null ? null : parseWorkloadId(spiffeId);
      if (!socket.authorized || spiffeId === null || id?.trustDomain !== trustDomain) {
        throw refuseProof('invalid_svid', `The client certificate is no valid SVID of ${trustDomain}.`);
      }
      if (denials.has(spiffeId, leaf.serialNumber)) {
        throw new Refusal(403, 'denied', `${spiffeId} is denied, or this certificate of it.`);
      }
      if (!(await isEnrolled(spiffeId))) {
        throw new Refusal(
          403,
          'not_enrolled',
          `${spiffeId} is not renewed: it was not enrolled by a join token, or not any more.`,
        );
      }
      return { spiffeId };
    },
  };
}
