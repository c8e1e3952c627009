/**
 * The JWT policies of one sidecar: what they know of tokens and keys from one config snapshot to the next.
 *
 * Invariants: a policy keeps keys and tokens as long as its issuers stay as they are. Nothing is kept of policies that a config does not have any
 * more, but for what was counted.
 */
import type { Policy } from '../../config/resources.ts';
import { LIMITS } from '../../core/limits.ts';
import type { JwtSpec } from './config.ts';
import type { KeySetDeps } from './key-set.ts';
import { type JwtReadings, JwtSeries, KeySetSeries } from './metrics.ts';
import { TokenVerifier } from './token-verifier.ts';

type JwtPolicy = Policy<JwtSpec>;

/** Label value of whatever has no series of its own. */
const OVERFLOW = '_OTHER';

export class JwtPolicies implements JwtReadings {
  private readonly deps: KeySetDeps;
  private readonly verifiers = new Map<string, TokenVerifier>();
  private readonly tokenSeries = new Map<string, JwtSeries>();
  private readonly keySetSeries = new Map<string, KeySetSeries>();

  constructor(deps: KeySetDeps) {
    this.deps = deps;
  }

  verifierOf(policy: JwtPolicy): TokenVerifier {
    const key = verifierKey(policy);
    const known = this.verifiers.get(key);
    if (known !== undefined) return known;
    const name = `${policy.namespace}/${policy.name}`;
    const verifier = new TokenVerifier(
      policy.spec,
      this.seriesOf(this.tokenSeries, name, (policy) => new JwtSeries(policy)),
      (issuer) =>
        this.seriesOf(this.keySetSeries, `${name} ${issuer.name}`, (series) => {
          const [policy = '', issuer = OVERFLOW] = series.split(' ');
          return new KeySetSeries(policy, issuer);
        }),
      this.deps,
    );
    this.verifiers.set(key, verifier);
    return verifier;
  }

  /** Lets go of what these policies do not use. */
  retain(policies: readonly JwtPolicy[]): void {
    const used = new Set(policies.map(verifierKey));
    for (const [key, verifier] of this.verifiers) {
      if (used.has(key)) continue;
      verifier.close();
      this.verifiers.delete(key);
    }
  }

  close(): void {
    this.retain([]);
  }

  tokens(): Iterable<JwtSeries> {
    return this.tokenSeries.values();
  }

  keySets(): Iterable<KeySetSeries> {
    return this.keySetSeries.values();
  }

  monotonicMs(): number {
    return this.deps.clock.monotonicMs();
  }

  /** Overflow comes on top, so that there is always room for it. */
  private seriesOf<S>(all: Map<string, S>, name: string, create: (name: string) => S): S {
    const known = all.get(name);
    if (known !== undefined) return known;
    if (all.size >= LIMITS.jwtSeries && name !== OVERFLOW) return this.seriesOf(all, OVERFLOW, create);
    const created = create(name);
    all.set(name, created);
    return created;
  }
}

/** What is done about tokens is for the filter to know. */
function verifierKey({ namespace, name, spec }: JwtPolicy): string {
  return JSON.stringify([namespace, name, spec.issuers]);
}
