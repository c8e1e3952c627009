/**
 * The dynamic table of a decoder (RFC 7541 section 2.3.2): a ring of rendered lines.
 *
 * Invariants
 * - A line is never split. The bytes of all live lines, which lie in the order of their insertion, never exceed half of the buffer;
 *   so when a line does not fit behind the last one, it fits at the start, and no live line is there.
 * - Entries are counted from 0 and kept by that number modulo the ring; the newest has the index 1 here.
 */
import { copyBytes } from '../../../transport/output.ts';
import { ENTRY_BYTES, LINE_EXTRA_BYTES } from './field.ts';

const NOTHING = Buffer.alloc(0);

export class DecoderTable {
  /** Allocated with the first entry: many connections never need it. */
  bytes: Buffer = NOTHING;
  /** Live entries. */
  count = 0;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly names: Int32Array;
  readonly kinds: Int32Array;
  private readonly capacityBytes: number;
  private readonly mask: number;
  /** What the peer has chosen within `capacityBytes`. */
  private maxBytes: number;
  /** Live bytes as HPACK counts them. */
  private usedBytes = 0;
  /** Entries ever inserted. */
  private inserted = 0;
  private at = 0;

  constructor(capacityBytes: number) {
    this.capacityBytes = capacityBytes;
    this.maxBytes = capacityBytes;
    const ring = 2 ** Math.ceil(Math.log2(capacityBytes / ENTRY_BYTES + 1));
    this.mask = ring - 1;
    this.starts = new Int32Array(ring);
    this.ends = new Int32Array(ring);
    this.names = new Int32Array(ring);
    this.kinds = new Int32Array(ring);
  }

  /** Where the entry with this index (from 1, the newest) is kept; -1 when there is none. */
  slotOf(index: number): number {
    return index > this.count ? -1 : (this.inserted - index) & this.mask;
  }

  /** Returns false when it is more than the capacity. */
  resize(maxBytes: number): boolean {
    if (maxBytes > this.capacityBytes) return false;
    this.maxBytes = maxBytes;
    this.evict(0);
    return true;
  }

  /** Copies a line in. One that is larger than the table empties it, which is no error (section 4.4). */
  insert(line: Uint8Array, start: number, end: number, nameLength: number, kind: number): void {
    const length = end - start;
    const size = length - LINE_EXTRA_BYTES + ENTRY_BYTES;
    this.evict(size);
    if (size > this.maxBytes) return;
    if (this.bytes === NOTHING) this.bytes = Buffer.allocUnsafeSlow(this.capacityBytes * 2);
    if (this.at + length > this.bytes.length) this.at = 0;
    copyBytes(line, start, end, this.bytes, this.at);
    const slot = this.inserted & this.mask;
    this.starts[slot] = this.at;
    this.at += length;
    this.ends[slot] = this.at;
    this.names[slot] = nameLength;
    this.kinds[slot] = kind;
    this.inserted = (this.inserted + 1) | 0;
    this.count++;
    this.usedBytes += size;
  }

  /** Drops the oldest entries until `size` more bytes fit, or none is left. */
  private evict(size: number): void {
    while (this.usedBytes + size > this.maxBytes && this.count > 0) {
      const slot = (this.inserted - this.count) & this.mask;
      const length = (this.ends[slot] as number) - (this.starts[slot] as number);
      this.usedBytes -= length - LINE_EXTRA_BYTES + ENTRY_BYTES;
      this.count--;
    }
  }
}
