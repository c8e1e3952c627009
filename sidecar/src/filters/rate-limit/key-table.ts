/**
 * The state of a limit by key: one TAT for each window, in typed arrays.
 *
 * Invariants
 * - At most `maxKeys` keys have state of their own. A key that is over its limit never loses it: only keys that would admit another unit
 *   are evicted, those that have all their units back first.
 * - While every key is over its limit, new ones share the state of one key for each plan, so that a flood of keys gains nothing.
 * - Finding a key to evict takes a bounded number of steps, but for one full round each time that the table may have a key to evict again.
 */
import { debtUs, type Window, waitUs } from './gcra.ts';

const INITIAL_SLOTS = 64;
/** Keys that are looked at for one that loses nothing, before one is taken that loses little. */
const SEARCH_STEPS = 32;
const ONE_UNIT = 1;

export class KeyTable {
  evictions = 0;
  /** Decisions for keys that had to share. */
  overflows = 0;
  private readonly plans: readonly (readonly Window[])[];
  private readonly maxSlots: number;
  /** TATs a slot: as many as the plan with most windows has. */
  private readonly stride: number;
  private readonly slots = new Map<string, number>();
  private readonly keys: string[] = [];
  private tats: Float64Array;
  private planOf: Uint16Array;
  /** The first slots are the shared ones, one a plan. */
  private used: number;
  /** Where the next search for a key to evict begins. */
  private hand: number;
  /** Before this time every key is over its limit. */
  private noVictimBeforeUs = 0;

  /** A plan is the windows that hold for a key. */
  constructor(plans: readonly (readonly Window[])[], maxKeys: number) {
    this.plans = plans;
    this.maxSlots = plans.length + maxKeys;
    this.stride = Math.max(...plans.map((windows) => windows.length));
    this.used = plans.length;
    this.hand = plans.length;
    const slots = Math.min(Math.max(INITIAL_SLOTS, plans.length * 2), this.maxSlots);
    this.tats = new Float64Array(slots * this.stride);
    this.planOf = new Uint16Array(slots);
    for (let plan = 0; plan < plans.length; plan++) this.planOf[plan] = plan;
  }

  get size(): number {
    return this.slots.size;
  }

  /** Where the state of a key is, valid until the next call. */
  slotOf(key: string, plan: number, nowUs: number): number {
    const known = this.slots.get(key);
    if (known !== undefined) return known;
    const slot = this.used < this.maxSlots ? this.takeFresh() : this.evict(nowUs);
    if (slot === -1) {
      this.overflows++;
      return plan;
    }
    this.tats.fill(0, slot * this.stride, (slot + 1) * this.stride);
    this.planOf[slot] = plan;
    this.keys[slot] = key;
    this.slots.set(key, slot);
    return slot;
  }

  /** How long until `cost` units are admitted by all windows; at most 0 when they are at once. */
  waitUs(slot: number, cost: number, nowUs: number): number {
    const windows = this.windowsOf(slot);
    let longest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < windows.length; i++) {
      const wait = waitUs(windows[i] as Window, this.debtUs(slot, i, nowUs), cost);
      if (wait > longest) longest = wait;
    }
    return longest;
  }

  /** Charges `cost` units if they are admitted. Returns what `waitUs` does. */
  decide(slot: number, cost: number, nowUs: number): number {
    const waitUs = this.waitUs(slot, cost, nowUs);
    if (waitUs <= 0) this.charge(slot, cost, nowUs);
    return waitUs;
  }

  charge(slot: number, cost: number, nowUs: number): void {
    const windows = this.windowsOf(slot);
    for (let i = 0; i < windows.length; i++) {
      const tatUs = nowUs + this.debtUs(slot, i, nowUs) + cost * (windows[i] as Window).intervalUs;
      this.tats[slot * this.stride + i] = tatUs;
    }
  }

  /** By position of the window in the plan. */
  debtUs(slot: number, window: number, nowUs: number): number {
    return debtUs(
      this.windowsOf(slot)[window] as Window,
      this.tats[slot * this.stride + window] as number,
      nowUs,
    );
  }

  private windowsOf(slot: number): readonly Window[] {
    return this.plans[this.planOf[slot] as number] as readonly Window[];
  }

  private takeFresh(): number {
    if (this.used === this.planOf.length) this.grow();
    return this.used++;
  }

  private grow(): void {
    const slots = Math.min(this.planOf.length * 2, this.maxSlots);
    const tats = new Float64Array(slots * this.stride);
    const planOf = new Uint16Array(slots);
    tats.set(this.tats);
    planOf.set(this.planOf);
    this.tats = tats;
    this.planOf = planOf;
  }

  /** The slot of a key that lost its state, or -1 when none may. */
  private evict(nowUs: number): number {
    if (nowUs < this.noVictimBeforeUs) return -1;
    const first = this.plans.length;
    let victim = -1;
    let lowestWaitUs = 0;
    let soonestUs = Number.POSITIVE_INFINITY;
    for (let steps = 0; steps < this.used - first; steps++) {
      if (steps >= SEARCH_STEPS && victim !== -1) break;
      const slot = this.hand;
      this.hand = slot + 1 === this.used ? first : slot + 1;
      const wait = this.waitUs(slot, ONE_UNIT, nowUs);
      if (wait > 0) {
        if (wait < soonestUs) soonestUs = wait;
      } else if (victim === -1 || wait < lowestWaitUs) {
        victim = slot;
        lowestWaitUs = wait;
        if (this.isRestored(slot, nowUs)) break;
      }
    }
    if (victim === -1) {
      this.noVictimBeforeUs = nowUs + soonestUs;
      return -1;
    }
    this.slots.delete(this.keys[victim] as string);
    this.evictions++;
    return victim;
  }

  private isRestored(slot: number, nowUs: number): boolean {
    const count = this.windowsOf(slot).length;
    for (let i = 0; i < count; i++) if (this.debtUs(slot, i, nowUs) > 0) return false;
    return true;
  }
}
