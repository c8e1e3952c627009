/**
 * Lines of JSON on their way to stdout or a file, in batches and off the request path.
 *
 * Invariants
 * - Two buffers: one is filled while the other is written. A line that finds no room is dropped and counted; nobody waits.
 * - Logs that go to one place share its writer (`LinePlaces`), so that no line ends up within another.
 */
import { closeSync, constants, openSync, write } from 'node:fs';
import type { Clock, Timer } from '../core/clock.ts';
import { JsonLine } from './json-line.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import type { TapSource } from './tap/taps.ts';

const { lineBufferBytes, lineWriteBytes, lineDelayMs, lineRetryMs } = OBSERVE_LIMITS;

export interface LineWriterDeps {
  readonly clock: Clock;
  readonly report: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** The writers of one process, by where they write to. */
export class LinePlaces {
  private readonly deps: LineWriterDeps;
  private readonly writers = new Map<string | null, LineWriter>();

  constructor(deps: LineWriterDeps) {
    this.deps = deps;
  }

  /** `path` is null for stdout. */
  at(path: string | null): LineWriter {
    let writer = this.writers.get(path);
    if (writer === undefined) {
      writer = new LineWriter(path, this.deps);
      this.writers.set(path, writer);
    }
    return writer;
  }

  reopen(): void {
    for (const writer of this.writers.values()) writer.reopen();
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.writers.values(), (writer) => writer.close()));
  }
}

/** One log: its lines, and what became of them. */
export class LineSource implements TapSource {
  written = 0;
  dropped = 0;
  /** For taps; null while there is none. */
  onLine: TapSource['onLine'] = null;
  readonly line = new JsonLine();
  /** In the buffer that is filled, and in the one that is written. */
  filling = 0;
  writing = 0;
  private readonly writer: LineWriter;

  constructor(writer: LineWriter) {
    this.writer = writer;
  }

  /** Begins a line of at most `maxBytes`. False when it is dropped. */
  begin(maxBytes: number): boolean {
    if (this.writer.begin(this.line, maxBytes)) return true;
    this.dropped++;
    return false;
  }

  end(): void {
    this.filling++;
    this.writer.end(this);
  }
}

export class LineWriter {
  private readonly path: string | null;
  private readonly deps: LineWriterDeps;
  private readonly sources: LineSource[] = [];
  private file: number;
  private filling: Buffer = Buffer.allocUnsafeSlow(lineBufferBytes);
  private resting: Buffer | null = Buffer.allocUnsafeSlow(lineBufferBytes);
  private filled = 0;
  private timer: Timer | null = null;
  private idle: (() => void)[] = [];
  private closed = false;

  constructor(path: string | null, deps: LineWriterDeps) {
    this.path = path;
    this.deps = deps;
    // Reading `process.stdout` makes a pipe non-blocking: a write that blocked would hold up the exit for as long as its reader stalls.
    this.file = path === null ? process.stdout.fd : openLog(path);
  }

  addSource(): LineSource {
    const source = new LineSource(this);
    this.sources.push(source);
    return source;
  }

  begin(line: JsonLine, maxBytes: number): boolean {
    if (this.closed || this.filled + maxBytes > this.filling.length) return false;
    line.begin(this.filling, this.filled);
    return true;
  }

  end({ line, onLine }: LineSource): void {
    const start = this.filled;
    this.filled = line.end();
    if (onLine !== null) onLine(this.filling, start, this.filled);
    if (this.filled >= lineWriteBytes && this.resting !== null) this.writeOut();
    else if (this.timer === null) this.schedule(lineDelayMs);
  }

  /** Goes on in a new file when the old one was moved away. */
  reopen(): void {
    if (this.path === null || this.closed) return;
    try {
      const reopened = openLog(this.path);
      const before = this.file;
      this.file = reopened;
      // A write under way still uses the old one.
      this.whenIdle(() => closeSync(before));
    } catch (error) {
      this.deps.report('log_not_reopened', { path: this.path, reason: (error as Error).message });
    }
  }

  /** Writes what is left, and lets go of the file. Lines that come later are dropped and counted. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    while (this.filled > 0 || this.resting === null) {
      if (this.resting !== null) this.writeOut();
      await new Promise<void>((resolve) => this.whenIdle(resolve));
    }
    this.timer?.cancel();
    if (this.path !== null) closeSync(this.file);
  }

  private schedule(delayMs: number): void {
    this.timer = this.deps.clock.setTimer(() => {
      this.timer = null;
      if (this.resting !== null && this.filled > 0) this.writeOut();
    }, delayMs);
  }

  private writeOut(): void {
    const buffer = this.filling;
    const { filled } = this;
    this.filling = this.resting as Buffer;
    this.resting = null;
    this.filled = 0;
    for (const source of this.sources) {
      source.writing = source.filling;
      source.filling = 0;
    }
    this.writeRest(this.file, buffer, 0, filled);
  }

  private writeRest(file: number, buffer: Buffer, from: number, end: number): void {
    write(file, buffer, from, end - from, null, (error, count) => {
      if (error === null && from + count < end) {
        this.writeRest(file, buffer, from + count, end);
      } else if (error?.code === 'EAGAIN') {
        this.deps.clock.setTimer(() => this.writeRest(file, buffer, from, end), lineRetryMs);
      } else {
        for (const source of this.sources) {
          if (error === null) source.written += source.writing;
          else source.dropped += source.writing;
        }
        this.rest(buffer);
      }
    });
  }

  private rest(buffer: Buffer): void {
    this.resting = buffer;
    const waiting = this.idle;
    this.idle = [];
    for (const done of waiting) done();
    if (this.filled > 0 && this.timer === null) this.schedule(0);
  }

  private whenIdle(done: () => void): void {
    if (this.resting === null) this.idle.push(done);
    else done();
  }
}

/** Without O_NONBLOCK a named pipe would hold up the start until somebody reads it, and every write while its reader stalls. */
function openLog(path: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
  try {
    return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
    throw new Error(`log ${path}: a pipe that nobody reads; start its reader first`);
  }
}
