/**
 * Answers scrapes while requests go on.
 *
 * Invariants
 * - One scrape is written at a time, a slice in each turn of the event loop; a few wait for their turn, and whoever comes then is refused.
 * - What is written is bounded in bytes; beyond, the answer is cut off, so that nobody takes a part for the whole.
 */
import { setImmediate } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import type { Labels } from './family.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { PROTOBUF_CONTENT_TYPE, writeProtobuf } from './protobuf-format.ts';
import { textFormatFor, writeText } from './text-format.ts';

export interface Scrape {
  readonly contentType: string;
  /** Whoever does not want the rest returns the iterator, or others wait for ever. */
  readonly slices: AsyncGenerator<string | Uint8Array>;
}

export class Scrapes {
  private readonly registry: Registry;
  private readonly common: Labels;
  /** Whether those who accept it get the format that has native histograms. */
  nativeHistograms = false;
  private open = 0;
  private last: Promise<void> = Promise.resolve();

  /** `common` are labels of every sample. */
  constructor(registry: Registry, common: Labels) {
    this.registry = registry;
    this.common = common;
  }

  /** Null when too many wait already. `accept` is what the scraper takes. */
  begin(accept: string): Scrape | null {
    if (this.open > OBSERVE_LIMITS.waitingScrapes) return null;
    if (this.nativeHistograms && accept.includes('application/vnd.google.protobuf')) {
      const slices = this.inTurn(() => writeProtobuf(this.registry, this.common));
      return { contentType: PROTOBUF_CONTENT_TYPE, slices };
    }
    const format = textFormatFor(accept);
    return {
      contentType: format.contentType,
      slices: this.inTurn(() => writeText(this.registry, format, this.common)),
    };
  }

  private async *inTurn<Slice extends string | Uint8Array>(
    write: () => AsyncGenerator<Slice>,
  ): AsyncGenerator<Slice> {
    this.open++;
    const before = this.last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.last = promise;
    try {
      await before;
      let length = 0;
      for await (const slice of write()) {
        length += slice.length;
        if (length > OBSERVE_LIMITS.scrapeChars)
          throw new Error(`metrics have more than ${OBSERVE_LIMITS.scrapeChars} characters`);
        yield slice;
        await setImmediate();
      }
    } finally {
      this.open--;
      // Not before the one in front has ended, if this one gave up waiting.
      before.then(resolve);
    }
  }
}
