/**
 * The SVID in use now and those who want to hear of the next one: an `Identity` whose source pushes new SVIDs in.
 *
 * Invariants: it is replaced as a whole and never after `stop`. That nobody replaced it in time is reported once for each SVID, whatever
 * its source. A listener that throws keeps neither the other listeners nor the rotation from going on.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../core/clock.ts';
import type { Identity, IdentityDeps } from './identity.ts';
import type { Svid } from './svid.ts';
import type { Trusted } from './trust.ts';

/** Timers don't see it when the wall clock is set or the machine was asleep, so the clock is looked at that often. */
const EXPIRY_CHECK_MS = 60_000;

export class LiveSvid implements Identity {
  expired = false;
  trustRefreshedMs: number | null = null;
  private current: Svid;
  private readonly clock: Clock;
  private readonly report: IdentityDeps['report'];
  private readonly listeners = new Set<(svid: Svid) => void>();
  private readonly stopping = new AbortController();
  private expiry: Timer | null = null;

  constructor(first: Svid, { clock, report }: Pick<IdentityDeps, 'clock' | 'report'>) {
    this.current = first;
    this.clock = clock;
    this.report = report;
    this.watchExpiry();
  }

  get svid(): Svid {
    return this.current;
  }

  get stopped(): AbortSignal {
    return this.stopping.signal;
  }

  onRotated(listener: (svid: Svid) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  replace(svid: Svid): void {
    if (this.stopped.aborted) return;
    // What else is trusted comes another way.
    const { denied, foreign } = this.current;
    this.current = { ...svid, denied, foreign };
    this.watchExpiry();
    this.report({ kind: 'rotated', spiffeId: svid.spiffeId, notAfterMs: svid.notAfterMs });
    this.tell();
  }

  /** Where that is not what was trusted before, whoever uses the SVID hears of it as of a new one. */
  trust(sequence: number, trusted: Trusted): void {
    const { rootsPem, denied, foreign } = this.current;
    const isSame = isDeepStrictEqual(trusted, { rootsPem, denied, foreign });
    if (this.stopped.aborted || isSame) return;
    this.current = { ...this.current, ...trusted };
    const { spiffeIds, serialNumbers } = trusted.denied;
    this.report({ kind: 'trust_changed', sequence, denied: spiffeIds.size + serialNumbers.size });
    this.tell();
  }

  stop(): void {
    this.stopping.abort();
    this.expiry?.cancel();
    this.listeners.clear();
  }

  private tell(): void {
    for (const listener of this.listeners) {
      try {
        listener(this.current);
      } catch (error) {
        this.report({ kind: 'listener_failed', reason: String(error) });
      }
    }
  }

  private watchExpiry(): void {
    this.expiry?.cancel();
    const { spiffeId, notAfterMs } = this.current;
    const leftMs = notAfterMs - this.clock.nowMs();
    this.expired = leftMs <= 0;
    if (this.expired) this.report({ kind: 'expired', spiffeId, notAfterMs });
    else this.expiry = this.clock.setTimer(() => this.watchExpiry(), Math.min(leftMs, EXPIRY_CHECK_MS));
  }
}
