// Proof that what a contender claims to do was really done: a log line for each request, and spans at its collector.
import { open, truncate } from 'node:fs/promises';
import type { RunningContender } from './contenders/contender.ts';

/** The last lines may still be in the proxy's buffer. A proxy that drops lines to save time would look cheaper. */
const MIN_LINES_PER_REQUEST = 0.95;
/** 1 % of the requests are traced; exporters may drop some of the spans while the proxy is saturated. */
const MIN_SPANS_PER_REQUEST = 0.005;
const READ_BYTES = 1 << 20;
const NEWLINE = 10;

export class Evidence {
  #requests = 0;
  readonly #logLines: number[] = [];
  /** Where each log of the running processes ended when it was last emptied. */
  #logEnds: number[] = [];
  #spans: number | null = null;

  /** Counts the log lines and empties the logs: at full load they grow by some 10 MB a second. */
  async collect(contender: RunningContender, requests: number): Promise<void> {
    this.#requests += requests;
    for (const [index, path] of contender.accessLogs.entries()) {
      const { lines, end } = await countNewLines(path, this.#logEnds[index] ?? 0);
      this.#logLines[index] = (this.#logLines[index] ?? 0) + lines;
      this.#logEnds[index] = end;
      await truncate(path);
    }
  }

  /** After the contender has stopped: exporters send their last batch then. */
  finish(contender: RunningContender): void {
    this.#logEnds = [];
    if (contender.spans !== null) this.#spans = (this.#spans ?? 0) + contender.spans();
  }

  describe(): string {
    const facts = this.#logLines.map((lines) => `${lines} log lines`);
    if (this.#spans !== null) facts.push(`${this.#spans} spans`);
    return `${Math.round(this.#requests)} requests, ${facts.join(', ') || 'no log, no traces'}`;
  }

  /** What is missing, or null. */
  findGap(): string | null {
    const minLines = Math.ceil(this.#requests * MIN_LINES_PER_REQUEST);
    const minSpans = Math.ceil(this.#requests * MIN_SPANS_PER_REQUEST);
    const gaps = this.#logLines
      .filter((lines) => lines < minLines)
      .map((lines) => `access log has ${lines} lines, at least ${minLines} expected`);
    if (this.#spans !== null && this.#spans < minSpans) {
      gaps.push(`${this.#spans} spans exported, at least ${minSpans} expected`);
    }
    return gaps.length === 0 ? null : `${Math.round(this.#requests)} requests: ${gaps.join('; ')}`;
  }
}

/** Lines written since the file was emptied. Who writes without O_APPEND goes on at the old offset, after a hole. */
async function countNewLines(path: string, oldEnd: number): Promise<{ lines: number; end: number }> {
  const file = await open(path);
  try {
    const chunk = Buffer.allocUnsafe(READ_BYTES);
    let lines = 0;
    let end = (await file.read(chunk, 0, 1, 0)).bytesRead === 1 && chunk[0] === 0 ? oldEnd : 0;
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, READ_BYTES, end);
      if (bytesRead === 0) return { lines, end };
      end += bytesRead;
      const read = chunk.subarray(0, bytesRead);
      for (let at = read.indexOf(NEWLINE); at !== -1; at = read.indexOf(NEWLINE, at + 1)) lines++;
    }
  } finally {
    await file.close();
  }
}
