/**
 * Keeps an SVID fresh by asking for another one, with another key, long before it expires.
 *
 * Invariants: renewal begins at about half of the lifetime, at a random moment so that a fleet which started together does
 * not ask together. Failures are retried after growing, jittered, capped pauses; until one attempt succeeds the last good
 * SVID stays, and its end is an event of its own (live-svid.ts). An authority that is away for less than a tenth of the lifetime delays no renewal beyond two thirds.
 */
import type { IdentityDeps } from './identity.ts';
import { LiveSvid } from './live-svid.ts';
import { pause } from './pause.ts';
import { checkValidity, type Svid } from './svid.ts';

/**
 * Gets an SVID with a new key; `current` is the one that it follows. Throws `PermanentFailure` when another attempt is of no use before a person
 * changes something.
 */
export type ObtainSvid = (signal: AbortSignal, current: Svid | null) => Promise<Svid>;

export class PermanentFailure extends Error {}

/** @param stored a valid SVID from before the start, used until there is a new one. */
export async function startRotation(
  obtain: ObtainSvid,
  deps: IdentityDeps,
  stored: Svid | null = null,
): Promise<LiveSvid> {
  const live = new LiveSvid(stored ?? (await obtainFirst(obtain, deps)), deps);
  // How much of the time of a stored one is over is not known for sure, so it is renewed soon.
  void keepFresh(live, obtain, deps, stored === null ? renewalDelayMs : soonDelayMs);
  return live;
}

/** How long a start waits for an authority that does not answer. */
const START_PATIENCE_MS = 30_000;
const NEVER = new AbortController().signal;

async function obtainFirst(obtain: ObtainSvid, deps: IdentityDeps): Promise<Svid> {
  const { clock, random, report } = deps;
  const giveUpAtMs = clock.monotonicMs() + START_PATIENCE_MS;
  // The clock's timers let a process end, and while it starts there may be nothing else that keeps it.
  const keepAlive = setInterval(() => {}, START_PATIENCE_MS);
  try {
    for (let failures = 0; ; failures += 1) {
      try {
        return await obtainValid(obtain, NEVER, null, deps);
      } catch (error) {
        const retryInMs = retryDelayMs(START_PATIENCE_MS, failures, random());
        if (error instanceof PermanentFailure || clock.monotonicMs() + retryInMs > giveUpAtMs) throw error;
        report({ kind: 'start_delayed', reason: reasonOf(error), retryInMs });
        await pause(clock, retryInMs, NEVER);
      }
    }
  } finally {
    clearInterval(keepAlive);
  }
}

async function keepFresh(
  live: LiveSvid,
  obtain: ObtainSvid,
  deps: IdentityDeps,
  firstDelayMs: typeof renewalDelayMs,
): Promise<void> {
  const { clock, random, report } = deps;
  const { stopped } = live;
  let dueMs = firstDelayMs;
  while (!stopped.aborted) {
    const { notAfterMs } = live.svid;
    const startMs = clock.nowMs();
    const lifetimeMs = notAfterMs - startMs;
    let delayMs = dueMs(lifetimeMs, random());
    dueMs = renewalDelayMs;
    for (let failures = 0; await pause(clock, delayMs, stopped); failures += 1) {
      try {
        live.replace(await obtainValid(obtain, stopped, live.svid, deps));
        break;
      } catch (error) {
        if (stopped.aborted) return;
        delayMs = retryDelayMs(lifetimeMs, failures, random());
        const nowMs = clock.nowMs();
        report({
          kind: 'renewal_failed',
          reason: reasonOf(error),
          retryInMs: delayMs,
          expiresInMs: notAfterMs - nowMs,
          overdue: nowMs - startMs >= (lifetimeMs * 2) / 3,
        });
      }
    }
  }
}

async function obtainValid(
  obtain: ObtainSvid,
  signal: AbortSignal,
  current: Svid | null,
  deps: IdentityDeps,
): Promise<Svid> {
  const svid = await obtain(signal, current);
  checkValidity(svid, deps.clock.nowMs());
  return svid;
}

/** `random` is uniform in [0, 1). Setting aside jitter, half of the lifetime. */
export function renewalDelayMs(lifetimeMs: number, random: number): number {
  return Math.min(lifetimeMs * (0.45 + 0.1 * random), MAX_DELAY_MS);
}

function soonDelayMs(lifetimeMs: number, random: number): number {
  return Math.min(lifetimeMs * 0.05 * random, MAX_DELAY_MS);
}

/** The pause after the first failure (`failures` 0) and the following ones. */
export function retryDelayMs(lifetimeMs: number, failures: number, random: number): number {
  const firstMs = clamp(lifetimeMs / 600, 100, 1_000);
  const capMs = clamp(lifetimeMs / 60, 100, 30_000);
  return Math.min(firstMs * 2 ** failures, capMs) * (0.5 + 0.5 * random);
}

/** What a timer can hold; certificates from an authority of one's own may live longer. */
const MAX_DELAY_MS = 2 ** 31 - 1;

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
