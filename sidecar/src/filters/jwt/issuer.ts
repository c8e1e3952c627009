/**
 * One issuer whose tokens are believed, and how a token of its is verified.
 */
import { type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { IssuerSpec } from './config.ts';
import { KeySet, type KeySetDeps } from './key-set.ts';
import { keySourceOf } from './keys.ts';
import type { KeySetSeries } from './metrics.ts';
import { REFUSALS, refusalOf, type TokenRefusal } from './refusal.ts';
import { VerifiedToken } from './verified-token.ts';

export class Issuer {
  private readonly spec: IssuerSpec;
  private readonly keys: KeySet;
  private readonly deps: KeySetDeps;

  constructor(spec: IssuerSpec, series: KeySetSeries, deps: KeySetDeps) {
    this.spec = spec;
    this.deps = deps;
    this.keys = new KeySet(keySourceOf(spec), series, deps);
  }

  /** Never rejects. */
  async verify(token: string): Promise<VerifiedToken | TokenRefusal> {
    const { keys } = this;
    if (keys.find === null) await keys.refresh();
    if (keys.find === null) return REFUSALS.keys_unavailable;
    const outcome = await this.verifyWith(keys.find, token);
    // The issuer may have begun to use a key that is not known here yet.
    if (outcome !== REFUSALS.unknown_key || !(await keys.refresh())) return outcome;
    return this.verifyWith(keys.find, token);
  }

  /** Whether the keys that it was verified with are those of today. */
  vouchesFor({ generation }: VerifiedToken): boolean {
    return generation === this.keys.generation;
  }

  close(): void {
    this.keys.close();
  }

  private async verifyWith(find: JWTVerifyGetKey, token: string): Promise<VerifiedToken | TokenRefusal> {
    const { name, issuer, audiences, algorithms, clockSkewSeconds } = this.spec;
    const { generation } = this.keys;
    try {
      const { payload } = await jwtVerify(token, find, {
        issuer,
        audience: [...audiences],
        algorithms: [...algorithms],
        clockTolerance: clockSkewSeconds,
        currentDate: new Date(this.deps.clock.nowMs()),
        requiredClaims: ['exp'],
      });
      const expiresMs = ((payload.exp as number) + clockSkewSeconds) * 1_000;
      return new VerifiedToken(name, Object.freeze(payload), expiresMs, generation);
    } catch (error) {
      return refusalOf(error);
    }
  }
}
