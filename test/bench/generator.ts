// A load generator that checks every answer: closed loop (each caller sends again as soon as it has its answer) or open loop
// (requests arrive at a rate, whether or not earlier ones were answered).
//
// Open loop: arrivals are a Poisson process, the same sequence for every contender, quantised to the generator's timer of
// about 1 ms. A request that finds no idle caller waits in a queue, and its latency counts from its arrival: a stall
// of the proxy is seen by all requests that arrive during it (no coordinated omission).
// The window's edges read the CPU counters and the byte counters at the same moment, so connection set-up, warm-up and
// half-done answers do not count.

import { seededRandom } from '../seeded-random.ts';
import type { Caller, CallerConnection, ConnectCallers } from './caller.ts';
import { percentileOf } from './statistics.ts';

export interface GeneratedLoad {
  connections: ConnectCallers[];
  /** Callers on all connections together. */
  concurrency: number;
  responseBytes: number;
  /** null: closed loop. */
  ratePerSecond: number | null;
  warmUpMs: number;
  measureMs: number;
  readCpuNs: () => number;
}

export interface LoadResult {
  /** Answers inside the window; parts of answers count as parts. */
  requests: number;
  /** All answers, those of the warm-up too. */
  answered: number;
  seconds: number;
  cpuNs: number;
  p50Ms: number;
  p99Ms: number;
}

const TIMER_MS = 1;
const DRAIN_TIMEOUT_MS = 3_000;
const MAX_QUEUED = 20_000;

export async function generateLoad(load: GeneratedLoad): Promise<LoadResult> {
  const generator = new Generator(load);
  try {
    await generator.open();
    generator.startSending();
    await generator.wait(load.warmUpMs);
    generator.openWindow();
    await generator.wait(load.measureMs);
    generator.closeWindow();
    await generator.drain();
    return generator.result();
  } finally {
    generator.close();
  }
}

class Generator {
  readonly #load: GeneratedLoad;
  #connections: CallerConnection[] = [];
  readonly #idle: Caller[] = [];
  readonly #queued: number[] = [];
  readonly #latencies: number[] = [];
  readonly #failure = Promise.withResolvers<never>();
  readonly #ready = Promise.withResolvers<void>();
  #random = seededRandom(1);
  #nextArrivalAt = 0;
  #isSending = false;
  #isMeasuring = false;
  #bodyBytes = 0;
  #answered = 0;
  #cpuNs = 0;
  #windowAt = 0;
  #seconds = 0;
  #drained: (() => void) | null = null;

  constructor(load: GeneratedLoad) {
    this.#load = load;
    // A failure while nobody waits is reported by the next wait.
    this.#failure.promise.catch(() => {});
  }

  async open(): Promise<void> {
    const events = {
      onReady: (caller: Caller) => {
        if (this.#idle.push(caller) === this.#load.concurrency) this.#ready.resolve();
      },
      onBody: (bytes: number) => {
        if (this.#isMeasuring) this.#bodyBytes += bytes;
      },
      onAnswered: (caller: Caller) => this.#finish(caller),
      onFailed: (message: string) => this.#fail(message),
    };
    this.#connections = this.#load.connections.map((connect) => connect(events));
    await Promise.race([this.#ready.promise, this.#failure.promise]);
  }

  startSending(): void {
    this.#isSending = true;
    if (this.#load.ratePerSecond === null) {
      for (const caller of this.#idle.splice(0)) this.#send(caller, performance.now());
    } else {
      this.#nextArrivalAt = performance.now();
      this.#admitArrivals(this.#load.ratePerSecond);
    }
  }

  async wait(durationMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, durationMs);
    await Promise.race([promise, this.#failure.promise]).finally(() => clearTimeout(timer));
  }

  openWindow(): void {
    this.#cpuNs = -this.#load.readCpuNs();
    this.#windowAt = performance.now();
    this.#bodyBytes = 0;
    this.#isMeasuring = true;
  }

  closeWindow(): void {
    this.#cpuNs += this.#load.readCpuNs();
    this.#seconds = (performance.now() - this.#windowAt) / 1000;
    this.#isMeasuring = false;
    this.#isSending = false;
  }

  async drain(): Promise<void> {
    if (this.#isDrained()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drained = resolve;
    const late = this.wait(DRAIN_TIMEOUT_MS).then(() => {
      throw new Error(`requests were still unanswered ${DRAIN_TIMEOUT_MS} ms after the end`);
    });
    await Promise.race([promise, late]);
  }

  result(): LoadResult {
    return {
      requests: this.#bodyBytes / this.#load.responseBytes,
      answered: this.#answered,
      seconds: this.#seconds,
      cpuNs: this.#cpuNs,
      p50Ms: percentileOf(this.#latencies, 0.5),
      p99Ms: percentileOf(this.#latencies, 0.99),
    };
  }

  close(): void {
    this.#isSending = false;
    for (const connection of this.#connections) connection.close();
  }

  #admitArrivals(ratePerSecond: number): void {
    if (!this.#isSending) return;
    const now = performance.now();
    while (this.#nextArrivalAt <= now) {
      this.#nextArrivalAt -= (Math.log(1 - this.#random()) * 1000) / ratePerSecond;
      const caller = this.#idle.shift();
      if (caller !== undefined) this.#send(caller, now);
      else if (this.#queued.push(now) > MAX_QUEUED) this.#fail('the proxy cannot keep up with the rate');
    }
    setTimeout(() => this.#admitArrivals(ratePerSecond), TIMER_MS);
  }

  #send(caller: Caller, arrivedAt: number): void {
    caller.arrivedAt = arrivedAt;
    caller.send();
  }

  #finish(caller: Caller): void {
    this.#answered++;
    const now = performance.now();
    // Every request that arrived inside the window counts, also one answered after it.
    if (this.#windowAt > 0 && caller.arrivedAt >= this.#windowAt)
      this.#latencies.push(now - caller.arrivedAt);
    const waitingSince = this.#queued.shift();
    if (waitingSince !== undefined) this.#send(caller, waitingSince);
    else if (this.#isSending && this.#load.ratePerSecond === null) this.#send(caller, now);
    else this.#idle.push(caller);
    if (this.#drained !== null && this.#isDrained()) this.#drained();
  }

  #isDrained(): boolean {
    return this.#idle.length === this.#load.concurrency;
  }

  #fail(message: string): void {
    this.#failure.reject(new Error(message));
  }
}
