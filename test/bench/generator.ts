// A load generator that checks every response: closed loop (each connection sends again as soon as it has its answer) or
// open loop (requests arrive at a rate, whether or not earlier ones were answered).
//
// Open loop: arrivals are a Poisson process, the same sequence for every contender, quantised to the generator's timer of
// about 1 ms. A request that finds no idle connection waits in a queue, and its latency counts from its arrival: a stall
// of the proxy is seen by all requests that arrive during it (no coordinated omission).
// The window's edges read the CPU counters and the byte counters at the same moment, so connection set-up, warm-up and
// half-done answers do not count.

import { connect, type Socket } from 'node:net';
import { seededRandom } from '../seeded-random.ts';
import { percentileOf } from './statistics.ts';

export interface GeneratedLoad {
  port: number;
  request: Buffer;
  responseBytes: number;
  connections: number;
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

interface Connection {
  socket: Socket;
  isBusy: boolean;
  arrivedAt: number;
  head: string;
  bodyBytesLeft: number;
}

/** While the head of a response has not been read. */
const UNKNOWN = -1;
const TIMER_MS = 1;
const DRAIN_TIMEOUT_MS = 3_000;
const MAX_QUEUED = 20_000;
const MAX_HEAD_CHARS = 16_384;

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
  readonly #readBuffer = Buffer.allocUnsafe(256 * 1024);
  readonly #connections: Connection[] = [];
  readonly #idle: Connection[] = [];
  readonly #queued: number[] = [];
  readonly #latencies: number[] = [];
  readonly #failure = Promise.withResolvers<never>();
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
    await Promise.all(Array.from({ length: this.#load.connections }, () => this.#openConnection()));
  }

  startSending(): void {
    this.#isSending = true;
    if (this.#load.ratePerSecond === null) {
      for (const connection of this.#idle.splice(0)) this.#send(connection, performance.now());
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
    for (const { socket } of this.#connections) socket.removeAllListeners('close').destroy();
  }

  #openConnection(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const onRead = (length: number) => {
      this.#readResponse(connection, length);
      return true;
    };
    const socket = connect({
      host: '127.0.0.1',
      port: this.#load.port,
      noDelay: true,
      onread: { buffer: this.#readBuffer, callback: onRead },
    });
    const connection: Connection = { socket, isBusy: false, arrivedAt: 0, head: '', bodyBytesLeft: UNKNOWN };
    this.#connections.push(connection);
    socket.once('connect', () => {
      this.#idle.push(connection);
      resolve();
    });
    socket.once('error', (error) => this.#fail(`connection failed: ${error.message}`));
    socket.once('close', () => this.#fail('the proxy closed a connection'));
    return Promise.race([promise, this.#failure.promise]);
  }

  #admitArrivals(ratePerSecond: number): void {
    if (!this.#isSending) return;
    const now = performance.now();
    while (this.#nextArrivalAt <= now) {
      this.#nextArrivalAt -= (Math.log(1 - this.#random()) * 1000) / ratePerSecond;
      const connection = this.#idle.shift();
      if (connection !== undefined) this.#send(connection, now);
      else if (this.#queued.push(now) > MAX_QUEUED) this.#fail('the proxy cannot keep up with the rate');
    }
    setTimeout(() => this.#admitArrivals(ratePerSecond), TIMER_MS);
  }

  #send(connection: Connection, arrivedAt: number): void {
    connection.isBusy = true;
    connection.arrivedAt = arrivedAt;
    connection.socket.write(this.#load.request);
  }

  #readResponse(connection: Connection, length: number): void {
    if (!connection.isBusy) {
      this.#fail('bytes arrived that nobody asked for');
      return;
    }
    const bodyBytes = connection.bodyBytesLeft === UNKNOWN ? this.#readHead(connection, length) : length;
    if (this.#isMeasuring) this.#bodyBytes += bodyBytes;
    if (connection.bodyBytesLeft === UNKNOWN) return;
    connection.bodyBytesLeft -= bodyBytes;
    if (connection.bodyBytesLeft < 0) this.#fail('a response body is too long');
    else if (connection.bodyBytesLeft === 0) this.#finish(connection);
  }

  /** Returns how many of the bytes belong to the body. */
  #readHead(connection: Connection, length: number): number {
    const charsBefore = connection.head.length;
    connection.head += this.#readBuffer.toString('latin1', 0, Math.min(length, MAX_HEAD_CHARS));
    const end = connection.head.indexOf('\r\n\r\n');
    if (end === -1) {
      if (connection.head.length > MAX_HEAD_CHARS) this.#fail('a response head has no end');
      return 0;
    }
    const head = connection.head.slice(0, end + 4);
    if (!this.#isExpected(head)) this.#fail(`unexpected response: ${head}`);
    connection.bodyBytesLeft = this.#load.responseBytes;
    return length - (head.length - charsBefore);
  }

  #isExpected(head: string): boolean {
    const contentLength = /\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1];
    return head.startsWith('HTTP/1.1 200 ') && Number(contentLength) === this.#load.responseBytes;
  }

  #finish(connection: Connection): void {
    this.#answered++;
    const now = performance.now();
    // Every request that arrived inside the window counts, also one answered after it.
    if (this.#windowAt > 0 && connection.arrivedAt >= this.#windowAt) {
      this.#latencies.push(now - connection.arrivedAt);
    }
    connection.head = '';
    connection.bodyBytesLeft = UNKNOWN;
    connection.isBusy = false;
    const waitingSince = this.#queued.shift();
    if (waitingSince !== undefined) this.#send(connection, waitingSince);
    else if (this.#isSending && this.#load.ratePerSecond === null) this.#send(connection, now);
    else this.#idle.push(connection);
    if (this.#drained !== null && this.#isDrained()) this.#drained();
  }

  #isDrained(): boolean {
    return this.#idle.length === this.#connections.length;
  }

  #fail(message: string): void {
    this.#failure.reject(new Error(message));
  }
}
