/**
 * Keys that a shared store has refused lately, so that a key over its limit costs one question a window and not one a request.
 *
 * Invariants: nothing is refused that the store would admit: a refusal holds for as many units as were refused, or more, and no longer than the
 * store said, counted from when it was asked. Bounded; the oldest refusal makes room, and is learnt again from the store.
 */
export class Denials {
  private readonly slots = new Map<string, number>();
  private readonly keys: string[] = [];
  private readonly untilUs: Float64Array;
  private readonly costs: Float64Array;
  private next = 0;

  constructor(maxKeys: number) {
    this.untilUs = new Float64Array(maxKeys);
    this.costs = new Float64Array(maxKeys);
  }

  get size(): number {
    return this.slots.size;
  }

  /** How long `cost` units of the key are refused yet; 0 when the store has to be asked. */
  waitUs(key: string, cost: number, nowUs: number): number {
    const slot = this.slots.get(key);
    if (slot === undefined || cost < (this.costs[slot] as number)) return 0;
    return Math.max((this.untilUs[slot] as number) - nowUs, 0);
  }

  remember(key: string, cost: number, untilUs: number): void {
    const known = this.slots.get(key);
    const slot = known ?? this.take(key);
    this.untilUs[slot] = untilUs;
    this.costs[slot] = cost;
  }

  private take(key: string): number {
    const slot = this.next;
    this.next = slot + 1 === this.untilUs.length ? 0 : slot + 1;
    const previous = this.keys[slot];
    if (previous !== undefined) this.slots.delete(previous);
    this.keys[slot] = key;
    this.slots.set(key, slot);
    return slot;
  }
}
