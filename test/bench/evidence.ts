// Proof that what a contender claims to do was really done: its access logs have grown and its spans arrived.
import { stat, truncate } from 'node:fs/promises';
import type { RunningContender } from './contenders/contender.ts';

/** 1 % of the requests are traced; exporters may drop some of the spans while the proxy is saturated. */
const MIN_SPANS_PER_REQUEST = 0.002;
const BLOCK_BYTES = 512;

export class Evidence {
  #requests = 0;
  readonly #logBytes: number[] = [];
  #spans: number | null = null;

  /** Empties the access logs too: at full load they grow by some 10 MB a second. */
  async collect(contender: RunningContender, requests: number): Promise<void> {
    this.#requests += requests;
    for (const [index, path] of contender.accessLogs.entries()) {
      // Not the size: who writes without O_APPEND goes on at the old offset, after a hole.
      const { blocks } = await stat(path);
      this.#logBytes[index] = (this.#logBytes[index] ?? 0) + blocks * BLOCK_BYTES;
      await truncate(path);
    }
  }

  /** After the contender has stopped: exporters send their last batch then. */
  finish(contender: RunningContender): void {
    if (contender.spans !== null) this.#spans = (this.#spans ?? 0) + contender.spans();
  }

  describe(): string {
    const facts = this.#logBytes.map((bytes) => `log ${(bytes / 1e6).toFixed(1)} MB`);
    if (this.#spans !== null) {
      facts.push(
        `${this.#spans} spans from ${Math.round(this.#requests)} measured requests and the warm-ups`,
      );
    }
    return facts.length === 0 ? 'no log, no traces' : facts.join(', ');
  }

  /** What is missing, or null. */
  findGap(): string | null {
    if (this.#logBytes.includes(0)) return 'an access log stayed empty';
    if (this.#spans === null || this.#spans >= this.#requests * MIN_SPANS_PER_REQUEST) return null;
    return `only ${this.#spans} spans of ${Math.round(this.#requests)} requests arrived`;
  }
}
