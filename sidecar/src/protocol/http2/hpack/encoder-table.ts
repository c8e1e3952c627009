/**
 * The dynamic table of an encoder: which fields the peer holds, found by hash.
 *
 * Invariants
 * - Entries are counted from 0; number modulo ring is where one is kept, and age tells whether it still lives. So nothing has to be
 *   taken out of the hash slots: a stale number is seen for what it is.
 * - A name that is known (known-names.ts) is kept as its number, any other one as its bytes in front of the value. The bytes of all live
 *   entries never exceed half of the buffer, and none is split (decoder-table.ts says why that always works).
 * - A hash only proposes; bytes decide.
 */
import { copyBytes } from '../../../transport/output.ts';
import { ENTRY_BYTES } from './field.ts';
import { KNOWN_NAMES, LOWER } from './known-names.ts';

const NOTHING = Buffer.alloc(0);
const SLOTS = 512;
const NONE = -1;
/** Values longer than this are hashed by a sample of as many bytes, the last half of it at the end, where values differ most. */
const SAMPLE_BYTES = 16;

export class EncoderTable {
  maxBytes: number;
  private readonly capacityBytes: number;
  private bytes: Buffer = NOTHING;
  private at = 0;
  private count = 0;
  private usedBytes = 0;
  private inserted = 0;
  /** Entries that were evicted without having been used. */
  private wasted = 0;
  private readonly mask: number;
  private readonly hashes: Int32Array;
  private readonly known: Uint8Array;
  private readonly starts: Int32Array;
  private readonly valueStarts: Int32Array;
  private readonly ends: Int32Array;
  private readonly sizes: Int32Array;
  private readonly used: Uint8Array;
  private readonly slots = new Int32Array(SLOTS).fill(NONE);
  /** The newest entry with a known name. */
  private readonly byName = new Int32Array(KNOWN_NAMES.length).fill(NONE);

  constructor(capacityBytes: number) {
    this.capacityBytes = capacityBytes;
    this.maxBytes = capacityBytes;
    const ring = 2 ** Math.ceil(Math.log2(capacityBytes / ENTRY_BYTES + 1));
    this.mask = ring - 1;
    this.hashes = new Int32Array(ring);
    this.known = new Uint8Array(ring);
    this.starts = new Int32Array(ring);
    this.valueStarts = new Int32Array(ring);
    this.ends = new Int32Array(ring);
    this.sizes = new Int32Array(ring);
    this.used = new Uint8Array(ring);
  }

  resize(maxBytes: number): void {
    this.maxBytes = maxBytes;
    this.evict(0);
  }

  /** How many entries were evicted unused since the last call. */
  takeWasted(): number {
    const { wasted } = this;
    this.wasted = 0;
    return wasted;
  }

  /** Index of the newest entry with this known name, if its value is the same: no hash is needed. 0 when it is not. */
  findNewest(known: number, source: Uint8Array, valueStart: number, valueEnd: number): number {
    const age = (this.inserted - (this.byName[known] as number)) | 0;
    if (age <= 0 || age > this.count) return 0;
    const at = (this.inserted - age) & this.mask;
    if (this.known[at] !== known || !this.holdsValue(at, source, valueStart, valueEnd)) return 0;
    this.used[at] = 1;
    return age;
  }

  /** Index from 1 (the newest) of the entry that is this field; 0 when there is none. */
  find(
    hash: number,
    known: number,
    source: Uint8Array,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
  ): number {
    const slot = hash & (SLOTS - 1);
    for (let way = 0; way < 2; way++) {
      const age = (this.inserted - (this.slots[slot ^ way] as number)) | 0;
      if (age <= 0 || age > this.count) continue;
      const at = (this.inserted - age) & this.mask;
      if (this.hashes[at] !== hash || this.known[at] !== known) continue;
      if (!this.holdsValue(at, source, valueStart, valueEnd)) continue;
      if (known === 0 && !this.holdsName(at, source, nameStart, nameEnd)) continue;
      this.used[at] = 1;
      return age;
    }
    return 0;
  }

  /** Index of the newest entry with this known name; 0 when there is none. */
  findName(known: number): number {
    const age = (this.inserted - (this.byName[known] as number)) | 0;
    if (age <= 0 || age > this.count) return 0;
    const at = (this.inserted - age) & this.mask;
    if (this.known[at] !== known) return 0;
    this.used[at] = 1;
    return age;
  }

  /** The caller has seen to it that the entry is not larger than the table. */
  insert(
    hash: number,
    known: number,
    source: Uint8Array,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
  ): void {
    const size = nameEnd - nameStart + valueEnd - valueStart + ENTRY_BYTES;
    this.evict(size);
    if (this.bytes === NOTHING) this.bytes = Buffer.allocUnsafeSlow(this.capacityBytes * 2);
    const { bytes } = this;
    if (this.at + size - ENTRY_BYTES > bytes.length) this.at = 0;
    const number = this.inserted;
    const at = number & this.mask;
    this.starts[at] = this.at;
    if (known === 0)
      for (let i = nameStart; i < nameEnd; i++) bytes[this.at++] = LOWER[source[i] as number] as number;
    this.valueStarts[at] = this.at;
    copyBytes(source, valueStart, valueEnd, bytes, this.at);
    this.at += valueEnd - valueStart;
    this.ends[at] = this.at;
    this.hashes[at] = hash;
    this.known[at] = known;
    this.sizes[at] = size;
    this.used[at] = 0;
    this.place(hash & (SLOTS - 1), number);
    if (known !== 0) this.byName[known] = number;
    this.inserted = (number + 1) | 0;
    this.count++;
    this.usedBytes += size;
  }

  /** Of the two slots takes the one whose entry is dead, or older. */
  private place(slot: number, number: number): void {
    const other = slot ^ 1;
    const age = (number - (this.slots[slot] as number)) >>> 0;
    const otherAge = (number - (this.slots[other] as number)) >>> 0;
    this.slots[age >= otherAge ? slot : other] = number;
  }

  private holdsName(at: number, source: Uint8Array, start: number, end: number): boolean {
    const { bytes } = this;
    let i = this.starts[at] as number;
    if ((this.valueStarts[at] as number) - i !== end - start) return false;
    for (let from = start; from < end; i++, from++)
      if (bytes[i] !== LOWER[source[from] as number]) return false;
    return true;
  }

  private holdsValue(at: number, source: Uint8Array, start: number, end: number): boolean {
    const { bytes } = this;
    let i = this.valueStarts[at] as number;
    if ((this.ends[at] as number) - i !== end - start) return false;
    for (let from = start; from < end; i++, from++) if (bytes[i] !== source[from]) return false;
    return true;
  }

  private evict(size: number): void {
    while (this.usedBytes + size > this.maxBytes && this.count > 0) {
      const at = (this.inserted - this.count) & this.mask;
      this.usedBytes -= this.sizes[at] as number;
      this.count--;
      if (this.used[at] === 0) this.wasted++;
    }
  }
}

/** Hash of a field with a known name, or of one whose name is in `source`. */
export function hashField(
  known: number,
  source: Uint8Array,
  nameStart: number,
  nameEnd: number,
  valueStart: number,
  valueEnd: number,
): number {
  const seed = known === 0 ? hashName(source, nameStart, nameEnd) : known;
  const length = valueEnd - valueStart;
  let hash = Math.imul(seed, 0x9e3779b1) ^ length;
  let from = valueStart;
  if (length > SAMPLE_BYTES) {
    const tail = valueEnd - SAMPLE_BYTES / 2;
    const step = Math.floor((length - SAMPLE_BYTES / 2) / (SAMPLE_BYTES / 2));
    for (let i = 0; i < SAMPLE_BYTES / 2; i++, from += step)
      hash = (Math.imul(hash, 31) + (source[from] as number)) | 0;
    from = tail;
  }
  for (; from < valueEnd; from++) hash = (Math.imul(hash, 31) + (source[from] as number)) | 0;
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return hash ^ (hash >>> 13);
}

function hashName(source: Uint8Array, start: number, end: number): number {
  let hash = 0;
  for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + (LOWER[source[i] as number] as number)) | 0;
  return hash;
}
