/**
 * The identity of this sidecar while it runs: the SVID in use now, and word of every new one.
 *
 * Invariants: `svid` always holds the last good one; it is replaced as a whole, never in parts. After `stop` nothing is
 * replaced and no timer or request is left.
 */
import type { IdentityConfig } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { startEnrolment } from './enrolment.ts';
import { startFileIdentity } from './files.ts';
import type { Svid } from './svid.ts';

export interface Identity {
  readonly svid: Svid;
  /** The SVID is past its end, and peers refuse it in every new handshake. */
  readonly expired: boolean;
  /** When the authority last said what is to be trusted; null where nobody is asked, or before the first answer. */
  readonly trustRefreshedMs: number | null;
  /** Called for a new SVID, and for the same one with other roots. Returns the function that takes the listener off again. */
  onRotated(listener: (svid: Svid) => void): () => void;
  stop(): void;
}

export interface IdentityDeps {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly report: (event: IdentityEvent) => void;
}

/** What a person or an alert should know. */
export type IdentityEvent =
  /** No first SVID yet; the sidecar waits. */
  | { readonly kind: 'start_delayed'; readonly reason: string; readonly retryInMs: number }
  /** Other roots are trusted from now on, or others denied: how many there are. */
  | { readonly kind: 'trust_changed'; readonly sequence: number; readonly denied: number }
  /** The last good bundle stays. Once an outage. */
  | { readonly kind: 'trust_not_refreshed'; readonly reason: string }
  | { readonly kind: 'rotated'; readonly spiffeId: string; readonly notAfterMs: number }
  /** The last good SVID stays. `overdue`: two thirds of its lifetime are over. */
  | {
      readonly kind: 'renewal_failed';
      readonly reason: string;
      readonly retryInMs: number;
      readonly expiresInMs: number;
      readonly overdue: boolean;
    }
  /** Changed files do not make a usable SVID; the last good one stays. */
  | { readonly kind: 'files_rejected'; readonly reason: string }
  /** Nothing renewed the SVID in time: peers refuse us from now on, in every new handshake. */
  | { readonly kind: 'expired'; readonly spiffeId: string; readonly notAfterMs: number }
  /** What is in the state folder is of no use, so the sidecar enrols anew. */
  | { readonly kind: 'state_rejected'; readonly reason: string }
  /** The new SVID is in use, but a restart would not find it. */
  | { readonly kind: 'state_not_kept'; readonly reason: string }
  | { readonly kind: 'listener_failed'; readonly reason: string };

/** Settles when there is a usable SVID; rejects when there will be none without a change by a person. */
export function startIdentity(config: IdentityConfig, deps: IdentityDeps): Promise<Identity> {
  const { source, trustDomain } = config;
  if (source.kind === 'files') return startFileIdentity(source, trustDomain, deps);
  return startEnrolment(source, trustDomain, deps);
}
