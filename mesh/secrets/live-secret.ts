/**
 * One secret as it is now, whoever brings it and whoever takes it.
 *
 * Invariants: the last good secret stays until another one comes, however long that takes; that it could not be refreshed is told once when it
 * begins and once when it ends, and shows in `state` meanwhile; a taker that fails costs the others nothing.
 */
import { LIMITS } from './limits.ts';
import type { Secret } from './secret.ts';
import type { SecretsDeps } from './vault-session.ts';

export interface SecretState {
  readonly name: string;
  /** Since the first refresh that failed; 0 while all is well. */
  readonly staleSeconds: number;
  readonly staleReason: string | null;
  /** Until what Vault has lent ends, negative when it has; null for what does not end. */
  readonly leaseSeconds: number | null;
  /** How often another secret took its place. */
  readonly rotations: number;
}

export type OnSecret = (secret: Secret) => void;

export class LiveSecret {
  readonly name: string;
  readonly #deps: SecretsDeps;
  readonly #watchers = new Set<OnSecret>();
  readonly #arrival = Promise.withResolvers<void>();
  #current: Secret | null = null;
  #endsAtMs: number | null = null;
  #staleSinceMs: number | null = null;
  #staleReason: string | null = null;
  #rotations = 0;

  constructor(name: string, deps: SecretsDeps) {
    this.name = name;
    this.#deps = deps;
  }

  get current(): Secret | null {
    return this.#current;
  }

  /** Resolves when there is a first one. */
  get arrived(): Promise<void> {
    return this.#arrival.promise;
  }

  get staleReason(): string | null {
    return this.#staleReason;
  }

  /** Calls with what there is, and with each one that follows. */
  watch(onSecret: OnSecret): () => void {
    if (this.#watchers.size >= LIMITS.watchersPerSecret)
      throw new Error(`too many take the secret ${this.name}`);
    this.#watchers.add(onSecret);
    if (this.#current !== null) onSecret(this.#current);
    return () => this.#watchers.delete(onSecret);
  }

  /** It was read, whether it has changed or not. `leaseSeconds`: how long it is good for, null for ever. */
  publish(secret: Secret, leaseSeconds: number | null = null): void {
    this.confirm(leaseSeconds);
    const before = this.#current;
    if (before?.equals(secret)) return;
    this.#current = secret;
    this.#arrival.resolve();
    if (before !== null) {
      this.#rotations++;
      this.#deps.report('secret_rotated', { secret: this.name, leaseSeconds });
    }
    for (const onSecret of this.#watchers) this.#hand(secret, onSecret);
  }

  /** What there is goes on being good. */
  confirm(leaseSeconds: number | null): void {
    const nowMs = this.#deps.clock.monotonicMs();
    this.#endsAtMs = leaseSeconds === null ? null : nowMs + leaseSeconds * 1_000;
    if (this.#staleSinceMs === null) return;
    const staleSeconds = Math.round((nowMs - this.#staleSinceMs) / 1_000);
    this.#staleSinceMs = null;
    this.#staleReason = null;
    if (this.#current !== null) this.#deps.report('secret_fresh', { secret: this.name, staleSeconds });
  }

  fail(error: Error): void {
    this.#staleReason = error.message;
    if (this.#staleSinceMs !== null) return;
    this.#staleSinceMs = this.#deps.clock.monotonicMs();
    const event = this.#current === null ? 'secret_missing' : 'secret_stale';
    this.#deps.report(event, { secret: this.name, reason: error.message });
  }

  state(): SecretState {
    const nowMs = this.#deps.clock.monotonicMs();
    return {
      name: this.name,
      staleSeconds: this.#staleSinceMs === null ? 0 : (nowMs - this.#staleSinceMs) / 1_000,
      staleReason: this.#staleReason,
      leaseSeconds: this.#endsAtMs === null ? null : (this.#endsAtMs - nowMs) / 1_000,
      rotations: this.#rotations,
    };
  }

  #hand(secret: Secret, onSecret: OnSecret): void {
    try {
      onSecret(secret);
    } catch (error) {
      this.#deps.report('secret_refused', { secret: this.name, reason: (error as Error).message });
    }
  }
}
