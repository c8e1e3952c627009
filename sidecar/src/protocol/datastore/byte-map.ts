/**
 * Values found by bytes as they lie in a read buffer, so that looking a name up allocates nothing.
 *
 * Invariants: at most `limit` keys, none is ever removed; a look-up costs at most a walk over the keys that share its hash chain.
 */
export class ByteMap<V> {
  size = 0;
  private readonly limit: number;
  /** Open addressing; 0 is free, else the entry's number plus one. At most half full. */
  private slots: Int32Array;
  private readonly hashes: number[] = [];
  private readonly keys: Uint8Array[] = [];
  private readonly values: V[] = [];

  constructor(limit: number) {
    this.limit = limit;
    this.slots = new Int32Array(16);
  }

  get(bytes: Uint8Array, start: number, end: number): V | undefined {
    const { slots } = this;
    const mask = slots.length - 1;
    const hash = hashOf(bytes, start, end);
    for (let slot = hash & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const entry = (slots[slot] as number) - 1;
      if (this.hashes[entry] === hash && equals(this.keys[entry] as Uint8Array, bytes, start, end)) {
        return this.values[entry];
      }
    }
    return undefined;
  }

  /** For a key that is not there yet. False when there is no room. */
  add(bytes: Uint8Array, start: number, end: number, value: V): boolean {
    if (this.size === this.limit) return false;
    if ((this.size + 1) * 2 > this.slots.length) this.grow();
    const hash = hashOf(bytes, start, end);
    this.hashes.push(hash);
    // A copy in any case: `slice` of a Buffer would be a view of what is overwritten with the next read.
    this.keys.push(new Uint8Array(bytes.subarray(start, end)));
    this.values.push(value);
    this.place(hash, ++this.size);
    return true;
  }

  private grow(): void {
    this.slots = new Int32Array(this.slots.length * 2);
    this.hashes.forEach((hash, entry) => {
      this.place(hash, entry + 1);
    });
  }

  private place(hash: number, number: number): void {
    const mask = this.slots.length - 1;
    let slot = hash & mask;
    while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
    this.slots[slot] = number;
  }
}

/** A table of constants, by their ASCII names. */
export function byName<V>(entries: Iterable<readonly [string, V]>): ByteMap<V> {
  const map = new ByteMap<V>(Number.POSITIVE_INFINITY);
  for (const [name, value] of entries) {
    const key = Buffer.from(name);
    map.add(key, 0, key.length, value);
  }
  return map;
}

/** The name of whatever has none of its own, because too many had come before or it must not be shown. */
export const OTHER_NAME = '_OTHER';

/** Names that came over the wire, as strings that are made once. */
export class BoundedNames {
  private readonly known: ByteMap<string>;

  constructor(limit: number) {
    this.known = new ByteMap(limit);
  }

  nameOf(bytes: Uint8Array, start: number, end: number): string {
    return this.known.get(bytes, start, end) ?? this.learn(bytes, start, end);
  }

  private learn(bytes: Uint8Array, start: number, end: number): string {
    const name = Buffer.prototype.toString.call(bytes, 'utf8', start, end);
    return this.known.add(bytes, start, end, name) ? name : OTHER_NAME;
  }
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return hash;
}

function equals(key: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (key.length !== end - start) return false;
  for (let i = 0; i < key.length; i++) if (key[i] !== bytes[start + i]) return false;
  return true;
}
