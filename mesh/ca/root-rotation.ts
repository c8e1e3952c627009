/**
 * How one root takes the place of another while everybody keeps trusting everybody:
 *
 *   prepare    the next root is in the bundle, the present one signs
 *   activate   the next one signs, both are in the bundle; not before every sidecar had the time to hear of it
 *   retire     the old one leaves the bundle; not before the last certificate that it signed has ended
 *
 * Invariants: pure steps from one state to the next, or a `RotationRefused` that says when. Exactly one root signs, and there are never more
 * than two. Every change of the bundle raises its sequence.
 */
import { endOfMs } from './certificates.ts';

export type RotationStep = 'prepare' | 'activate' | 'retire' | 'cancel';

export interface AuthorityState {
  /** Of the trust bundle. */
  readonly sequence: number;
  readonly roots: readonly RootRecord[];
  readonly intermediate: Intermediate;
}

export interface RootRecord {
  readonly id: string;
  readonly certificatePem: string;
  readonly role: 'next' | 'signing' | 'old';
  /** When it took that role. */
  readonly sinceMs: number;
  /** No SVID below it is valid after that. */
  readonly signedUntilMs: number;
}

export interface Intermediate {
  readonly rootId: string;
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** For people, and for commands that go step by step. */
export interface RotationStatus {
  /** Of the trust bundle. */
  readonly sequence: number;
  readonly roots: readonly {
    readonly id: string;
    readonly role: RootRecord['role'];
    readonly since: string;
    readonly notAfter: string;
  }[];
  readonly nextStep: { readonly step: RotationStep; readonly notBefore: string | null };
}

/** Nothing was changed; the message says what to do. */
export class RotationRefused extends Error {
  /** When the step may be taken; null when waiting is of no use. */
  readonly earliestMs: number | null;

  constructor(message: string, earliestMs: number | null = null) {
    super(message);
    this.earliestMs = earliestMs;
  }
}

export function prepareRoot(
  state: AuthorityState,
  id: string,
  certificatePem: string,
  nowMs: number,
): AuthorityState {
  requireSingleRoot(state);
  const next: RootRecord = { id, certificatePem, role: 'next', sinceMs: nowMs, signedUntilMs: nowMs };
  return { ...state, sequence: state.sequence + 1, roots: [...state.roots, next] };
}

/** The prepared root, before it signed anything. */
export function cancelRoot(state: AuthorityState): AuthorityState {
  const next = requireRoot(state, 'next');
  return { ...state, sequence: state.sequence + 1, roots: state.roots.filter((root) => root !== next) };
}

/** `intermediate` is signed by the prepared root. */
export function activateRoot(
  state: AuthorityState,
  intermediate: Intermediate,
  nowMs: number,
): AuthorityState {
  const next = requireRoot(state, 'next');
  const signing = requireRoot(state, 'signing');
  return {
    ...state,
    roots: [
      { ...signing, role: 'old', sinceMs: nowMs },
      { ...next, role: 'signing', sinceMs: nowMs },
    ],
    intermediate,
  };
}

export function retireRoot(state: AuthorityState): AuthorityState {
  const old = requireRoot(state, 'old');
  return { ...state, sequence: state.sequence + 1, roots: state.roots.filter((root) => root !== old) };
}

/** An SVID below this root is valid until then. */
export function markSigned(state: AuthorityState, rootId: string, signedUntilMs: number): AuthorityState {
  const roots = state.roots.map((root) => (root.id === rootId ? { ...root, signedUntilMs } : root));
  return { ...state, roots };
}

export function isMarked({ roots }: AuthorityState, rootId: string, notAfterMs: number): boolean {
  return roots.some(({ id, signedUntilMs }) => id === rootId && signedUntilMs >= notAfterMs);
}

/** `spreadMs`: until the last sidecar that is alive knows of a root. */
export function activationMs(state: AuthorityState, spreadMs: number): number {
  return requireRoot(state, 'next').sinceMs + spreadMs;
}

export function retirementMs(state: AuthorityState): number {
  return requireRoot(state, 'old').signedUntilMs;
}

export function describeRotation(state: AuthorityState, spreadMs: number): RotationStatus {
  const { sequence, roots } = state;
  return {
    sequence,
    roots: roots.map((root) => ({
      id: root.id,
      role: root.role,
      since: toIso(root.sinceMs),
      notAfter: toIso(endOfMs(root)),
    })),
    nextStep: nextStep(state, spreadMs),
  };
}

function nextStep(state: AuthorityState, spreadMs: number): RotationStatus['nextStep'] {
  const has = (role: RootRecord['role']) => state.roots.some((root) => root.role === role);
  if (has('next')) return { step: 'activate', notBefore: toIso(activationMs(state, spreadMs)) };
  if (has('old')) return { step: 'retire', notBefore: toIso(retirementMs(state)) };
  return { step: 'prepare', notBefore: null };
}

export function requireTime(earliestMs: number, nowMs: number, why: string): void {
  if (nowMs >= earliestMs) return;
  const seconds = Math.ceil((earliestMs - nowMs) / 1000);
  throw new RotationRefused(
    `${why}: wait ${seconds} s, until ${new Date(earliestMs).toISOString()}, or force it and cut off who is late`,
    earliestMs,
  );
}

export function requireSingleRoot(state: AuthorityState): void {
  if (state.roots.length === 1) return;
  throw new RotationRefused('another rotation is under way: activate, retire or cancel it first');
}

export function requireRoot({ roots }: AuthorityState, role: RootRecord['role']): RootRecord {
  const found = roots.find((root) => root.role === role);
  if (found === undefined) throw new RotationRefused(MISSING[role]);
  return found;
}

const MISSING: Record<RootRecord['role'], string> = {
  next: 'no root is prepared: prepare one first',
  signing: 'no root signs: the state is damaged, restore it from a backup',
  old: 'there is no old root to retire: activate a prepared one first',
};

function toIso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
