/**
 * How long what Vault has lent is kept: a token, or the credentials of a database.
 *
 * Invariants: a renewal comes at 60 to 70 per cent of the time, at a random moment, so that a fleet which started together does not ask together. A lease
 * whose renewal no longer gives the whole time is near the end that its role allows; a successor is then due at once, while at least a quarter of the
 * lease's time is left: that is the overlap in which both are valid.
 */
import type { Clock } from '../../sidecar/src/core/clock.ts';
import { pause } from '../../sidecar/src/identity/pause.ts';
import { retryDelayMs } from './backoff.ts';
import { LIMITS } from './limits.ts';
import { VaultFailure } from './vault-client.ts';

export interface Lease {
  /** 0: it does not end. */
  readonly seconds: number;
  readonly renewable: boolean;
}

export interface LeaseDeps {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export interface HeldLease {
  readonly lease: Lease;
  /** Aborted: hold it no longer. */
  readonly signal: AbortSignal;
  renew(): Promise<Lease>;
  onRenewed(lease: Lease): void;
  onFailure(error: Error): void;
}

const WHOLE = 0.75;
/** Beyond this part of the time a renewal that fails is not tried again: the rest is for the successor. */
const RENEW_UNTIL = 0.8;

/** Resolves when a successor is due. */
export async function holdLease(
  { lease, signal, ...held }: HeldLease,
  { clock, random }: LeaseDeps,
): Promise<void> {
  let current = lease;
  for (;;) {
    const timeMs = current.seconds * 1_000;
    const untilMs = clock.monotonicMs() + timeMs * RENEW_UNTIL;
    const dueMs = timeMs === 0 ? LIMITS.timerMs : Math.min(timeMs * (0.6 + 0.1 * random()), LIMITS.timerMs);
    if (!(await pause(clock, dueMs, signal)) || !current.renewable) return;
    const renewed = await renewUntil(untilMs, timeMs);
    if (renewed === null || renewed.seconds < lease.seconds * WHOLE) return;
    held.onRenewed(renewed);
    current = renewed;
  }

  async function renewUntil(untilMs: number, timeMs: number): Promise<Lease | null> {
    for (let failures = 0; ; failures++) {
      try {
        return await held.renew();
      } catch (error) {
        if (signal.aborted || (error instanceof VaultFailure && error.isRefusal)) return null;
        held.onFailure(error as Error);
        const delayMs = retryDelayMs(timeMs, failures, random());
        if (clock.monotonicMs() + delayMs > untilMs || !(await pause(clock, delayMs, signal))) return null;
      }
    }
  }
}
