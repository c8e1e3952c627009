/**
 * A token whose signature, issuer, audience and times were found good: what policies may go by.
 */
export type Claims = Readonly<Record<string, unknown>>;

export class VerifiedToken {
  /** As config calls it. */
  readonly issuer: string;
  readonly claims: Claims;
  /** Wall time, clock skew included. */
  readonly expiresMs: number;
  /** Of the keys that it was verified with. */
  readonly generation: number;

  constructor(issuer: string, claims: Claims, expiresMs: number, generation: number) {
    this.issuer = issuer;
    this.claims = claims;
    this.expiresMs = expiresMs;
    this.generation = generation;
  }

  /** What stands at the end of a path of names through mappings; undefined when nothing does. */
  claimAt(path: readonly string[]): unknown {
    let value: unknown = this.claims;
    for (let i = 0; i < path.length; i++) {
      const name = path[i] as string;
      if (!isMapping(value) || !Object.hasOwn(value, name)) return undefined;
      value = value[name];
    }
    return value;
  }
}

function isMapping(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
