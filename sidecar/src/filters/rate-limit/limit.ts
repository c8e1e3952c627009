/**
 * One limit of a policy, compiled: its key, the windows that may hold for it, and the state that they need.
 *
 * Invariants: the same values give the same key everywhere, in every sidecar and in the rate-limit service; a key is bounded, and no two lists
 * of values have the same one. State outlives config snapshots as long as the limit stays what it is (rate-limits.ts).
 */
import { createHash } from 'node:crypto';
import { LIMITS } from '../../core/limits.ts';
import { keyPartName, type LimitSpec, type RateLimitSpec } from './config.ts';
import type { Denials } from './denials.ts';
import { compileWindow, type Window, type WindowSpec } from './gcra.ts';
import type { KeyTable } from './key-table.ts';
import type { LimitSeries } from './metrics.ts';
import { Rules } from './rules.ts';

/** Between values. No field can hold it; what does is hashed. */
const SEPARATOR = '\x1f';
/** Begins the keys that are hashes. */
const HASHED = '\x1e';

export interface PolicySpec {
  readonly namespace: string;
  readonly name: string;
  readonly spec: RateLimitSpec;
}

/** The windows that hold for a key, with what is said about them. */
export interface Plan {
  readonly windows: readonly NamedWindow[];
  /** For people. */
  readonly description: string;
  /** `"name";q=100;w=60, …`: a line of RateLimit-Policy. */
  readonly policyLine: Buffer;
}

export interface NamedWindow extends Window {
  /** What the RateLimit fields call it. */
  readonly label: string;
  /** `"label";r=`: how its item begins there. */
  readonly itemStart: Buffer;
}

/** What a limit remembers. */
export interface LimitState {
  /** For local decisions; global limits make them while their store is away. */
  readonly table: KeyTable;
  /** Of global limits: what their store has refused. */
  readonly denials: Denials | null;
  readonly series: LimitSeries;
}

export class Limit {
  readonly name: string;
  readonly partNames: readonly string[];
  readonly isGlobal: boolean;
  readonly skipsAbsent: boolean;
  readonly plans: readonly Plan[];
  readonly table: KeyTable;
  readonly denials: Denials | null;
  readonly series: LimitSeries;
  /** What its keys begin with in a shared store: policy and limit. */
  readonly id: string;
  private readonly rules: Rules;

  constructor(spec: LimitSpec, id: string, { table, denials, series }: LimitState) {
    this.name = spec.name;
    this.id = id;
    this.partNames = spec.key.map(keyPartName);
    this.isGlobal = spec.scope === 'global';
    this.skipsAbsent = spec.absent === 'skip';
    this.plans = compilePlans(spec, id);
    this.rules = new Rules(spec, this.partNames);
    this.table = table;
    this.denials = denials;
    this.series = series;
  }

  /** A position in `plans`, or EXEMPT. */
  planOf(values: readonly string[]): number {
    return this.rules.planOf(values);
  }

  keyOf(values: readonly string[]): string {
    if (values.length === 0) return '';
    let key = values[0] as string;
    let plain = !key.startsWith(HASHED);
    if (values.length > 1) {
      plain &&= !key.includes(SEPARATOR);
      for (let i = 1; i < values.length; i++) {
        const value = values[i] as string;
        plain &&= !value.includes(SEPARATOR);
        key += SEPARATOR + value;
      }
    }
    return plain && key.length <= LIMITS.rateLimitKeyChars ? key : hash(values);
  }
}

export function limitId({ namespace, name }: PolicySpec, limit: LimitSpec): string {
  return `${namespace}/${name}/${limit.name}`;
}

/** `id` is what people find the limit by. */
export function compilePlans({ name, windows, overrides }: LimitSpec, id: string): Plan[] {
  const lists = [windows, ...overrides.map((override) => override.windows)];
  return lists.map((list) => compilePlan(name, id, list));
}

function compilePlan(limit: string, id: string, specs: readonly WindowSpec[]): Plan {
  const windows = specs.map((spec): NamedWindow => {
    const label = specs.length === 1 ? limit : `${limit}-${spec.windowSeconds}s`;
    const itemStart = Buffer.from(`"${label}";r=`, 'latin1');
    return Object.freeze({ ...compileWindow(spec), label, itemStart });
  });
  const amounts = specs.map(({ quota, windowSeconds }) => `${quota} in ${windowSeconds} s`);
  const description = `${id}: ${amounts.join(', ')}`;
  return Object.freeze({ windows, description, policyLine: policyLine(windows) });
}

/** draft-ietf-httpapi-ratelimit-headers-11, section 3; a burst of its own is a parameter of ours. */
function policyLine(windows: readonly NamedWindow[]): Buffer {
  const items = windows.map(({ label, quota, windowSeconds, burst }) => {
    const ownBurst = burst === quota ? '' : `;tulle-burst=${burst}`;
    return `"${label}";q=${quota};w=${windowSeconds}${ownBurst}`;
  });
  return Buffer.from(`ratelimit-policy: ${items.join(', ')}\r\n`, 'latin1');
}

function hash(values: readonly string[]): string {
  return HASHED + createHash('sha256').update(JSON.stringify(values)).digest('base64url');
}
