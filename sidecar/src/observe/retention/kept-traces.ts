/**
 * Which traces are kept, for as long as late spans of them may come: a set of 128-bit ids that forgets.
 *
 * Invariants
 * - Memory and the time of each call are fixed. Ids lie in sets of a few places; a new one takes the place of the oldest of its set.
 * - Which set an id belongs to depends on a secret number: trace ids may be chosen by strangers, who could else fill one set.
 */
import { OBSERVE_LIMITS } from '../limits.ts';

const WAYS = 8;
const WORDS = 4;

export class KeptTraces {
  private readonly sets: number;
  private readonly secret: number;
  private readonly ids: Int32Array;
  /** Monotonic milliseconds until which the id in a place is kept. */
  private readonly untilMs: Float64Array;

  /** `random` gives a signed 32-bit word. `capacity` is a power of two, at least 8. */
  constructor(random: () => number, capacity: number = OBSERVE_LIMITS.keptTraces) {
    this.sets = capacity / WAYS;
    this.secret = random() | 1;
    this.ids = new Int32Array(capacity * WORDS);
    this.untilMs = new Float64Array(capacity).fill(Number.NEGATIVE_INFINITY);
  }

  /** False when it was kept already; then it is kept for longer. */
  add(id0: number, id1: number, id2: number, id3: number, nowMs: number): boolean {
    return this.addPlace(id0, id1, id2, id3, nowMs) >= 0;
  }

  /** Where its id lies from now on, for who keeps more of a trace; `~` that place when it was kept already. */
  addPlace(id0: number, id1: number, id2: number, id3: number, nowMs: number): number {
    const { ids, untilMs } = this;
    const first = this.setOf(id1, id2, id3) * WAYS;
    let place = this.find(first, id0, id1, id2, id3);
    const known = place !== -1 && (untilMs[place] as number) > nowMs;
    if (place === -1) {
      place = first;
      for (let i = first + 1; i < first + WAYS; i++) {
        if ((untilMs[i] as number) < (untilMs[place] as number)) place = i;
      }
      ids[place * WORDS] = id0;
      ids[place * WORDS + 1] = id1;
      ids[place * WORDS + 2] = id2;
      ids[place * WORDS + 3] = id3;
    }
    untilMs[place] = nowMs + OBSERVE_LIMITS.keptTraceMs;
    return known ? ~place : place;
  }

  has(id0: number, id1: number, id2: number, id3: number, nowMs: number): boolean {
    return this.placeOf(id0, id1, id2, id3, nowMs) !== -1;
  }

  /** Where its id lies, below the capacity; -1 when it is not kept. */
  placeOf(id0: number, id1: number, id2: number, id3: number, nowMs: number): number {
    const place = this.find(this.setOf(id1, id2, id3) * WAYS, id0, id1, id2, id3);
    return place !== -1 && (this.untilMs[place] as number) > nowMs ? place : -1;
  }

  private find(first: number, id0: number, id1: number, id2: number, id3: number): number {
    const { ids } = this;
    for (let place = first, at = first * WORDS; place < first + WAYS; place++, at += WORDS) {
      if (ids[at + 3] === id3 && ids[at + 2] === id2 && ids[at + 1] === id1 && ids[at] === id0) return place;
    }
    return -1;
  }

  /** Ids of 64 bits are padded with zeros in front, so the first word tells little. */
  private setOf(id1: number, id2: number, id3: number): number {
    let hash = Math.imul(id3 ^ this.secret, 0x9e3779b1);
    hash = Math.imul((hash ^ (hash >>> 15)) + id2, 0x85ebca6b);
    hash = Math.imul((hash ^ (hash >>> 13)) + id1, 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) & (this.sets - 1);
  }
}
