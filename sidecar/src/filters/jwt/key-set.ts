/**
 * Keeps the keys of an issuer fresh.
 *
 * Invariants
 * - One load at a time, and two begin no closer than `minRefreshMs`, whatever tokens ask for.
 * - Keys that were good stay until others are there: an issuer that is away, or publishes nonsense, costs nobody anything. Their age is told.
 */
import type { JWTVerifyGetKey } from 'jose';
import type { Clock, Timer } from '../../core/clock.ts';
import type { KeySource } from './keys.ts';
import type { KeySetSeries } from './metrics.ts';

export interface KeySetDeps {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly report: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

export class KeySet {
  /** Null until there are keys. */
  find: JWTVerifyGetKey | null = null;
  /** Another number for other keys. */
  generation = 0;
  private readonly source: KeySource;
  private readonly series: KeySetSeries;
  private readonly deps: KeySetDeps;
  private readonly stopped = new AbortController();
  private text: Buffer = Buffer.alloc(0);
  private loading: Promise<void> | null = null;
  private beganMs = Number.NEGATIVE_INFINITY;
  private failures = 0;
  private timer: Timer | null = null;

  constructor(source: KeySource, series: KeySetSeries, deps: KeySetDeps) {
    this.source = source;
    this.series = series;
    this.deps = deps;
    void this.refresh();
  }

  /** Waits for the load under way, or for one that begins now if that is not too early. Whether there are other keys then. */
  async refresh(): Promise<boolean> {
    const { generation } = this;
    const nowMs = this.deps.clock.monotonicMs();
    if (this.loading === null) {
      if (nowMs - this.beganMs < this.source.minRefreshMs || this.stopped.signal.aborted) return false;
      this.begin(nowMs);
    }
    await this.loading;
    return this.generation !== generation;
  }

  close(): void {
    this.stopped.abort();
    this.timer?.cancel();
  }

  private begin(nowMs: number): void {
    this.beganMs = nowMs;
    this.timer?.cancel();
    this.loading = this.load().then(() => {
      this.loading = null;
      if (!this.stopped.signal.aborted) this.schedule();
    });
  }

  private async load(): Promise<void> {
    const { clock } = this.deps;
    const { timeoutMs } = this.source;
    const deadline = new AbortController();
    const timer = clock.setTimer(() => deadline.abort(), timeoutMs);
    try {
      this.take(await this.source.read(AbortSignal.any([this.stopped.signal, deadline.signal])));
    } catch (error) {
      const reason = deadline.signal.aborted ? `no answer within ${timeoutMs} ms` : (error as Error).message;
      if (!this.stopped.signal.aborted) this.fail(reason);
    } finally {
      timer.cancel();
    }
  }

  private take(bytes: Buffer): void {
    if (this.find === null || !bytes.equals(this.text)) {
      const { find, count } = this.source.parse(bytes);
      this.find = find;
      this.text = bytes;
      this.generation++;
      this.series.keys = count;
    }
    this.failures = 0;
    this.series.loaded++;
    this.series.loadedMs = this.deps.clock.monotonicMs();
  }

  private fail(reason: string): void {
    this.failures++;
    this.series.failed++;
    const { policy, issuer } = this.series;
    const kept = this.find !== null;
    this.deps.report('jwks_load_failed', { policy, issuer, source: this.source.name, reason, kept });
  }

  /** Spread, so that a fleet which started together does not ask together. */
  private schedule(): void {
    const { refreshMs, minRefreshMs } = this.source;
    const pauseMs =
      this.failures === 0 ? refreshMs : Math.min(minRefreshMs * 2 ** (this.failures - 1), refreshMs);
    const delayMs = Math.max(pauseMs, minRefreshMs) * (1 + 0.1 * this.deps.random());
    this.timer = this.deps.clock.setTimer(() => void this.refresh(), delayMs);
  }
}
