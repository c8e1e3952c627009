/**
 * Tells good tokens from others, for one policy.
 *
 * Invariants
 * - A token that was verified costs a hash from then on, until it expires or its issuer changes its keys. At most `LIMITS.jwtTokens` are
 *   remembered, those used last.
 * - A token is verified once however many wait for it; at most `LIMITS.jwtPending` are being verified, and each waiter is told exactly once.
 * - A token is kept by its hash and never in clear.
 */
import { decodeJwt } from 'jose';
import { LIMITS } from '../../core/limits.ts';
import type { IssuerSpec, JwtSpec } from './config.ts';
import { Issuer } from './issuer.ts';
import type { KeySetDeps } from './key-set.ts';
import type { JwtSeries, KeySetSeries } from './metrics.ts';
import { REFUSALS, type TokenRefusal } from './refusal.ts';
import { VerifiedToken } from './verified-token.ts';

export interface TokenWaiter {
  onOutcome(outcome: VerifiedToken | TokenRefusal): void;
}

interface Known {
  readonly token: VerifiedToken;
  readonly issuer: Issuer;
}

export class TokenVerifier {
  readonly series: JwtSeries;
  private readonly deps: KeySetDeps;
  /** By what they call themselves. */
  private readonly issuers: ReadonlyMap<string, Issuer>;
  private readonly known = new Map<string, Known>();
  private readonly pending = new Map<string, TokenWaiter[]>();

  constructor(
    { issuers }: JwtSpec,
    series: JwtSeries,
    seriesOf: (issuer: IssuerSpec) => KeySetSeries,
    deps: KeySetDeps,
  ) {
    this.series = series;
    this.deps = deps;
    this.issuers = new Map(issuers.map((spec) => [spec.issuer, new Issuer(spec, seriesOf(spec), deps)]));
  }

  /** A token by its hash; null when it has to be verified. */
  recall(hash: string): VerifiedToken | null {
    const known = this.known.get(hash);
    if (known === undefined) return null;
    const { token, issuer } = known;
    this.known.delete(hash);
    if (token.expiresMs <= this.deps.clock.nowMs() || !issuer.vouchesFor(token)) return null;
    this.known.set(hash, known);
    return token;
  }

  /** Why it is refused, if that is known at once; with null the waiter is told later. */
  verify(hash: string, text: string, waiter: TokenWaiter): TokenRefusal | null {
    const waiters = this.pending.get(hash);
    if (waiters !== undefined) {
      waiters.push(waiter);
      return null;
    }
    const claimed = claimedIssuer(text);
    if (claimed === null) return REFUSALS.malformed;
    const issuer = this.issuers.get(claimed);
    if (issuer === undefined) return REFUSALS.unknown_issuer;
    if (this.pending.size >= LIMITS.jwtPending) return REFUSALS.overflow;
    this.pending.set(hash, [waiter]);
    void this.settle(hash, issuer, text);
    return null;
  }

  close(): void {
    for (const issuer of this.issuers.values()) issuer.close();
  }

  private async settle(hash: string, issuer: Issuer, text: string): Promise<void> {
    const outcome = await issuer.verify(text);
    if (outcome instanceof VerifiedToken) this.remember(hash, { token: outcome, issuer });
    const waiters = this.pending.get(hash) ?? [];
    this.pending.delete(hash);
    for (const waiter of waiters) waiter.onOutcome(outcome);
  }

  private remember(hash: string, known: Known): void {
    if (this.known.size >= LIMITS.jwtTokens) this.known.delete(this.known.keys().next().value as string);
    this.known.set(hash, known);
  }
}

/** Says which keys to ask, and is verified with them. Null when the token can't be read; empty when it does not say. */
function claimedIssuer(token: string): string | null {
  try {
    const { iss } = decodeJwt(token);
    return typeof iss === 'string' ? iss : '';
  } catch {
    return null;
  }
}
