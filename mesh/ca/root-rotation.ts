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

/** Nothing was changed; the message says what to do. */
export class RotationRefused extends Error {}

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

export function requireTime(earliestMs: number, nowMs: number, why: string): void {
  if (nowMs >= earliestMs) return;
  const seconds = Math.ceil((earliestMs - nowMs) / 1000);
  throw new RotationRefused(
    `${why}: wait ${seconds} s, until ${new Date(earliestMs).toISOString()}, or force it and cut off who is late`,
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
