// What became of requests, second by second.

const WINDOW_MS = 1_000;
/** What one second is like is chance; three in a row are judged together. */
const JUDGED_MS = 3 * WINDOW_MS;

export interface Window {
  succeeded: number;
  failed: number;
  readonly latenciesMs: number[];
}

export class Ledger {
  private readonly windows: Window[] = [];

  note(atMs: number, succeeded: boolean, latencyMs: number): void {
    const index = Math.floor(atMs / WINDOW_MS);
    while (this.windows.length <= index) this.windows.push({ succeeded: 0, failed: 0, latenciesMs: [] });
    const window = this.windows[index] as Window;
    if (succeeded) window.succeeded++;
    else window.failed++;
    if (succeeded) window.latenciesMs.push(latencyMs);
  }

  /** All windows of a span of time, as one. */
  between(fromMs: number, untilMs: number): Window {
    const windows = this.windows.slice(fromMs / WINDOW_MS, untilMs / WINDOW_MS);
    return {
      succeeded: windows.reduce((sum, { succeeded }) => sum + succeeded, 0),
      failed: windows.reduce((sum, { failed }) => sum + failed, 0),
      latenciesMs: windows.flatMap(({ latenciesMs }) => latenciesMs),
    };
  }

  /** How long after `sinceMs` everything is well for good; null when it is not by `untilMs`. */
  recoveryMs(sinceMs: number, untilMs: number, isWell: (window: Window) => boolean): number | null {
    let wellFromMs = untilMs;
    while (wellFromMs > sinceMs && isWell(this.between(wellFromMs - JUDGED_MS, wellFromMs))) {
      wellFromMs -= WINDOW_MS;
    }
    return wellFromMs === untilMs ? null : wellFromMs - sinceMs;
  }
}

export function percentile(latenciesMs: readonly number[], share: number): number {
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
