/**
 * Who asks: maps a bearer token to the SPIFFE id of the workload it was given to.
 *
 * Invariants: the authority knows tokens by their SHA-256 only; every comparison takes the same time and all are made, so
 * that the time of an answer says nothing about tokens.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Workload } from './config.ts';

/** The SPIFFE id that a token stands for, or null. */
export type Identify = (token: string) => string | null;

export function createJoinTokens(workloads: readonly Workload[]): Identify {
  const known = workloads.map(({ tokenSha256, spiffeId }) => ({
    digest: Buffer.from(tokenSha256, 'hex'),
    spiffeId,
  }));
  return (token) => {
    const digest = createHash('sha256').update(token).digest();
    let found: string | null = null;
    for (const entry of known) {
      if (timingSafeEqual(entry.digest, digest)) found = entry.spiffeId;
    }
    return found;
  };
}
