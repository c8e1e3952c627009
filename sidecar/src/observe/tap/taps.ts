/**
 * Live lines of the access log for those who look on.
 *
 * Invariants
 * - Without a tap nothing is copied; with one, a line costs the request its copy, and all else happens later.
 * - What waits is bounded, for all taps together and for each; what does not fit is dropped, and each tap is told how much.
 * - A tap shows what the log has and no more: queries, headers and bodies are in neither.
 */
import type { Clock, Timer } from '../../core/clock.ts';
import { OBSERVE_LIMITS } from '../limits.ts';
import type { LogLine, TapFilter } from './tap-filter.ts';

const { taps: maxTaps, tapBufferBytes, tapDelayMs, tapPendingBytes } = OBSERVE_LIMITS;
const LINE_END = 0x0a;

/** Where lines go. */
export interface TapSink {
  /** Bytes that were written and have not left. */
  readonly writableLength: number;
  write(text: string): unknown;
  end(): unknown;
}

/** The part of the access log that taps need. */
export interface TapSource {
  /** Sees each line, in a buffer that is another's once it returns. */
  onLine: ((buffer: Buffer, start: number, end: number) => void) | null;
}

type Tap = { readonly sink: TapSink; readonly wants: TapFilter; dropped: number };

export class Taps {
  private readonly source: TapSource;
  private readonly clock: Clock;
  private readonly open = new Set<Tap>();
  private readonly onLine = (buffer: Buffer, start: number, end: number): void =>
    this.copy(buffer, start, end);
  private waiting: Buffer = Buffer.alloc(0);
  private filled = 0;
  private timer: Timer | null = null;

  constructor(source: TapSource, clock: Clock) {
    this.source = source;
    this.clock = clock;
  }

  get hasRoom(): boolean {
    return this.open.size < maxTaps;
  }

  /** What it returns ends the tap; the sink is left to whoever opened it. Null where there is no room. */
  add(sink: TapSink, wants: TapFilter): (() => void) | null {
    if (!this.hasRoom) return null;
    const tap = { sink, wants, dropped: 0 };
    if (this.open.size === 0) {
      this.waiting = Buffer.allocUnsafeSlow(tapBufferBytes);
      this.source.onLine = this.onLine;
    }
    this.open.add(tap);
    return () => this.remove(tap);
  }

  /** Ends all taps, with the lines that were there. */
  close(): void {
    this.tell();
    for (const tap of this.open) {
      this.remove(tap);
      tap.sink.end();
    }
  }

  private remove(tap: Tap): void {
    this.open.delete(tap);
    if (this.open.size > 0) return;
    this.source.onLine = null;
    this.waiting = Buffer.alloc(0);
    this.filled = 0;
    this.timer?.cancel();
    this.timer = null;
  }

  private copy(buffer: Buffer, start: number, end: number): void {
    if (this.filled + end - start > this.waiting.length) {
      for (const tap of this.open) tap.dropped++;
      return;
    }
    this.filled += buffer.copy(this.waiting, this.filled, start, end);
    this.timer ??= this.clock.setTimer(() => {
      this.timer = null;
      this.tell();
    }, tapDelayMs);
  }

  private tell(): void {
    let start = 0;
    while (start < this.filled) {
      const end = this.waiting.indexOf(LINE_END, start) + 1;
      const text = this.waiting.toString('utf8', start, end);
      const line = JSON.parse(text) as LogLine;
      for (const tap of this.open) if (tap.wants(line)) give(tap, text);
      start = end;
    }
    this.filled = 0;
  }
}

function give(tap: Tap, text: string): void {
  if (tap.sink.writableLength > tapPendingBytes) {
    tap.dropped++;
    return;
  }
  if (tap.dropped > 0) tap.sink.write(`{"tap_dropped":${tap.dropped}}\n`);
  tap.dropped = 0;
  tap.sink.write(text);
}
