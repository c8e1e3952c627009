/**
 * For tests of tokens: issuers with real keys, and the policies that believe them.
 */
import { exportJWK, generateKeyPair, type JSONWebKeySet, SignJWT } from 'jose';
import { type Clock, systemClock } from '../../core/clock.ts';
import { JwtPolicies } from './jwt-policies.ts';

export function openJwt(clock: Clock = systemClock): JwtPolicies {
  return new JwtPolicies({ clock, random: () => 0.5, report: () => {} });
}

/** Those that are undefined are left out. */
export type TokenClaims = Readonly<Record<string, unknown>>;

type PrivateKey = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

interface SigningKey {
  readonly kid: string;
  readonly privateKey: PrivateKey;
}

export class TestIssuer {
  readonly name: string;
  readonly algorithm: string;
  /** As published. */
  keySet: JSONWebKeySet = { keys: [] };
  private readonly clock: Clock;
  private key: SigningKey | null = null;

  private constructor(name: string, algorithm: string, clock: Clock) {
    this.name = name;
    this.algorithm = algorithm;
    this.clock = clock;
  }

  static async open(
    name = 'https://login.test',
    algorithm = 'ES256',
    clock: Clock = systemClock,
  ): Promise<TestIssuer> {
    const issuer = new TestIssuer(name, algorithm, clock);
    await issuer.rotate('key-1');
    return issuer;
  }

  get signingKey(): SigningKey {
    if (this.key === null) throw new Error('the issuer has no key');
    return this.key;
  }

  /** Signs with another key from now on, and publishes that alone. */
  async rotate(kid: string): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair(this.algorithm, { extractable: true });
    this.key = { kid, privateKey };
    this.keySet = { keys: [{ ...(await exportJWK(publicKey)), kid, use: 'sig' }] };
  }

  /** A good token, unless `claims` or `header` make it another one. */
  token(claims: TokenClaims = {}, header: Record<string, unknown> = {}): Promise<string> {
    const nowSeconds = Math.floor(this.clock.nowMs() / 1_000);
    const standard = { iss: this.name, aud: 'orders', sub: 'ann', exp: nowSeconds + 600 };
    const payload = JSON.parse(JSON.stringify({ ...standard, ...claims }));
    return new SignJWT(payload)
      .setProtectedHeader({ alg: this.algorithm, kid: this.signingKey.kid, ...header })
      .sign(this.signingKey.privateKey);
  }
}
