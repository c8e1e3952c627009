/**
 * Tells whether an object has a name twice.
 *
 * Invariants: memory is fixed; a look-up probes a bounded number of slots, so that names chosen to collide only go unseen. Names are told apart by
 * 32 bits of hash and their length.
 */
const SLOTS = 4_096;
const MOST_PROBES = 8;

export class KeySet {
  private readonly hashes = new Int32Array(SLOTS);
  private readonly lengths = new Uint32Array(SLOTS);
  private readonly owners = new Uint32Array(SLOTS);
  private readonly objects: number[] = [];
  private last = 0;
  private oldest = 0;

  clear(): void {
    this.objects.length = 0;
    if (this.last > 0x7fffffff) {
      this.owners.fill(0);
      this.last = 0;
    }
    this.oldest = this.last;
  }

  /** An object begins at this depth. */
  enter(depth: number): void {
    this.objects[depth] = ++this.last;
  }

  /** Whether the object at this depth has it already. */
  add(text: Uint8Array, start: number, end: number, depth: number): boolean {
    const owner = this.objects[depth] as number;
    let hash = Math.imul(owner, 0x9e3779b1);
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ (text[i] as number), 0x01000193);
    hash ^= hash >>> 15;
    const length = end - start;
    for (let probe = 0; probe < MOST_PROBES; probe++) {
      const slot = (hash + probe) & (SLOTS - 1);
      const holder = this.owners[slot] as number;
      if (holder <= this.oldest) {
        this.owners[slot] = owner;
        this.hashes[slot] = hash;
        this.lengths[slot] = length;
        return false;
      }
      if (holder === owner && this.hashes[slot] === hash && this.lengths[slot] === length) return true;
    }
    return false;
  }
}
