/**
 * Conditions on what a verified token claims.
 *
 * Invariants: without a verified token none holds. Values are compared type and all. Of a list one entry is enough, and `scope` is a list of words
 * (RFC 8693 section 4.2).
 */
import type { VerifiedToken } from '../jwt/verified-token.ts';
import type { ClaimSpec } from './config.ts';

/** All conditions of a rule: true for none. */
export class ClaimMatches {
  private readonly conditions: readonly ClaimCondition[];

  constructor(specs: readonly ClaimSpec[]) {
    this.conditions = specs.map((spec) => new ClaimCondition(spec));
  }

  matches(token: VerifiedToken | null): boolean {
    for (let i = 0; i < this.conditions.length; i++) {
      if (token === null || !(this.conditions[i] as ClaimCondition).matches(token)) return false;
    }
    return true;
  }
}

class ClaimCondition {
  private readonly path: readonly string[];
  private readonly isScope: boolean;
  /** Null for any. */
  private readonly values: readonly unknown[] | null;

  constructor({ name, values }: ClaimSpec) {
    this.path = typeof name === 'string' ? [name] : name;
    this.isScope = this.path.length === 1 && this.path[0] === 'scope';
    this.values = values ?? null;
  }

  matches(token: VerifiedToken): boolean {
    const value = token.claimAt(this.path);
    const { values } = this;
    if (values === null) return value !== undefined && value !== null;
    if (Array.isArray(value)) return includesAny(values, value);
    if (this.isScope && typeof value === 'string') return includesAny(values, value.split(' '));
    return values.includes(value);
  }
}

function includesAny(values: readonly unknown[], found: readonly unknown[]): boolean {
  for (let i = 0; i < found.length; i++) if (values.includes(found[i])) return true;
  return false;
}
