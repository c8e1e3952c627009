/**
 * Time as the data plane sees it. Injected everywhere, so that tests run on virtual time.
 *
 * Invariants: `monotonicMs` never goes back and is what durations and deadlines are made of; `nowMs` is wall time and is only
 * ever shown to people and peers (logs, spans, certificates).
 */
export interface Clock {
  /** Wall time in milliseconds since the Unix epoch, with a fraction. */
  nowMs(): number;
  /** Monotonic time in milliseconds from an arbitrary origin, with a fraction. */
  monotonicMs(): number;
  /** Calls `fn` once after `delayMs`. Does not keep the process alive. */
  setTimer(fn: () => void, delayMs: number): Timer;
}

export interface Timer {
  cancel(): void;
}

export const systemClock: Clock = {
  nowMs: () => performance.timeOrigin + performance.now(),
  monotonicMs: () => performance.now(),
  setTimer(fn, delayMs) {
    const handle = setTimeout(fn, delayMs);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};
