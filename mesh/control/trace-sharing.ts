/**
 * Passes on which traces sidecars keep: what one says, all others hear.
 *
 * Invariants: nobody hears of a trace twice within a minute, nor of its own. A subscriber that is slow misses what comes meanwhile, and
 * one that says too much is not passed on; both are counted.
 */
import type { Clock, Timer } from '../../sidecar/src/core/clock.ts';
import { Budget } from '../../sidecar/src/observe/retention/budget.ts';
import { KeptTraces } from '../../sidecar/src/observe/retention/kept-traces.ts';
import { LIMITS } from './limits.ts';

const ID_BYTES = 16;

export interface Subscriber {
  /** False when it takes no more until further notice; then it has not taken these either. */
  write(ids: Buffer): boolean;
}

/** What a subscriber holds in its hands. */
export interface Subscription {
  tell(ids: Buffer): void;
  end(): void;
}

export class TraceSharing {
  told = 0;
  /** Ids that were not passed on, by reason. */
  readonly dropped = { flood: 0, full: 0, slow: 0 };
  private readonly clock: Clock;
  private readonly known: KeptTraces;
  private readonly members = new Map<object, Member>();
  private waiting: { readonly from: Member; readonly ids: Buffer }[] = [];
  private waitingIds = 0;
  private timer: Timer | null = null;

  /** `random` gives a signed 32-bit word. */
  constructor(clock: Clock, random: () => number) {
    this.clock = clock;
    this.known = new KeptTraces(random, LIMITS.knownTraces);
  }

  get subscribers(): number {
    return this.members.size;
  }

  /** Null when there are as many as there may be. */
  subscribe(subscriber: Subscriber): Subscription | null {
    if (this.members.size >= LIMITS.subscribers) return null;
    const member: Member = { subscriber, budget: new Budget(LIMITS.idsPerSecond) };
    this.members.set(subscriber, member);
    return {
      tell: (ids) => this.take(member, ids),
      end: () => void this.members.delete(subscriber),
    };
  }

  close(): void {
    this.timer?.cancel();
    this.members.clear();
  }

  private take(from: Member, ids: Buffer): void {
    const nowMs = this.clock.monotonicMs();
    const fresh: Buffer[] = [];
    for (let at = 0; at + ID_BYTES <= ids.length; at += ID_BYTES) {
      if (!from.budget.take(nowMs)) this.dropped.flood++;
      else if (this.waitingIds === LIMITS.waitingIds) this.dropped.full++;
      else if (this.isNew(ids, at, nowMs)) {
        this.waitingIds++;
        fresh.push(ids.subarray(at, at + ID_BYTES));
      }
    }
    if (fresh.length === 0) return;
    this.waiting.push({ from, ids: Buffer.concat(fresh) });
    this.timer ??= this.clock.setTimer(() => this.passOn(), LIMITS.batchMs);
  }

  private isNew(ids: Buffer, at: number, nowMs: number): boolean {
    const [id0, id1, id2, id3] = [0, 4, 8, 12].map((offset) => ids.readInt32BE(at + offset));
    return this.known.add(id0 as number, id1 as number, id2 as number, id3 as number, nowMs);
  }

  private passOn(): void {
    const { waiting } = this;
    this.timer = null;
    this.waiting = [];
    this.waitingIds = 0;
    const all = Buffer.concat(waiting.map(({ ids }) => ids));
    const speakers = new Set(waiting.map(({ from }) => from));
    for (const member of this.members.values()) {
      const ids = speakers.has(member)
        ? Buffer.concat(waiting.filter(({ from }) => from !== member).map((each) => each.ids))
        : all;
      for (let at = 0; at < ids.length; at += LIMITS.idsPerMessage * ID_BYTES) {
        const part = ids.subarray(at, at + LIMITS.idsPerMessage * ID_BYTES);
        const count = part.length / ID_BYTES;
        if (member.subscriber.write(part)) this.told += count;
        else this.dropped.slow += count;
      }
    }
  }
}

interface Member {
  readonly subscriber: Subscriber;
  readonly budget: Budget;
}
