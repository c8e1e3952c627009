/**
 * Makes batches of what is asked for at the same time: while one batch runs, the next one gathers, so that an idle model answers at once and a
 * busy one works with full batches.
 *
 * Invariants: a call is accepted whole or not at all; no more than `queued` items wait, and no more than `queuedPerTenant` of one tenant; a
 * batch takes from the waiting tenants in turn, so that a busy one delays itself; results come in the order of the items; what was given up
 * is not computed, unless it is being computed.
 */
export interface BatcherOptions<I, O> {
  /** Items of one batch. */
  batch: number;
  queued: number;
  queuedPerTenant: number;
  /** One batch at a time; as many results as items, in their order. */
  run: (items: I[]) => Promise<O[]>;
}

export class QueueFull extends Error {
  override name = 'QueueFull';
  /** Whether it is the tenant's own share that is used up. */
  readonly ofTenant: boolean;

  constructor(ofTenant: boolean) {
    super(ofTenant ? 'too many texts of this tenant wait' : 'too many texts wait');
    this.ofTenant = ofTenant;
  }
}

interface Call<O> {
  tenant: string;
  results: O[];
  missing: number;
  resolve: (results: O[]) => void;
  reject: (reason: unknown) => void;
}

interface Entry<I, O> {
  call: Call<O>;
  item: I;
}

export class Batcher<I, O> {
  readonly #options: BatcherOptions<I, O>;
  /** In the order of their turn. Who waits for nothing is not in it. */
  readonly #waiting = new Map<string, Entry<I, O>[]>();
  #queued = 0;
  #running = false;

  constructor(options: BatcherOptions<I, O>) {
    this.#options = options;
  }

  get queued(): number {
    return this.#queued;
  }

  /** @throws QueueFull, the reason of `signal`, or what `run` threw. */
  async submit(tenant: string, items: readonly I[], signal?: AbortSignal): Promise<O[]> {
    signal?.throwIfAborted();
    if (items.length === 0) return [];
    const { queued, queuedPerTenant } = this.#options;
    const own = this.#waiting.get(tenant) ?? [];
    if (own.length + items.length > queuedPerTenant) throw new QueueFull(true);
    if (this.#queued + items.length > queued) throw new QueueFull(false);
    const { promise, resolve, reject } = Promise.withResolvers<O[]>();
    const call: Call<O> = { tenant, results: [], missing: items.length, resolve, reject };
    for (const item of items) own.push({ call, item });
    this.#waiting.set(tenant, own);
    this.#queued += items.length;
    const giveUp = () => this.#fail(call, signal?.reason);
    signal?.addEventListener('abort', giveUp, { once: true });
    this.#start();
    return promise.finally(() => signal?.removeEventListener('abort', giveUp));
  }

  /** What else of the call waits has no use any more. */
  #fail(call: Call<O>, reason: unknown): void {
    const own = this.#waiting.get(call.tenant) ?? [];
    const others = own.filter((entry) => entry.call !== call);
    this.#queued -= own.length - others.length;
    if (others.length > 0) this.#waiting.set(call.tenant, others);
    else this.#waiting.delete(call.tenant);
    call.reject(reason);
  }

  #start(): void {
    if (this.#running || this.#queued === 0) return;
    this.#running = true;
    const entries = this.#takeBatch();
    this.#options
      .run(entries.map(({ item }) => item))
      .then(
        (results) => deliver(entries, results),
        (error) => {
          for (const { call } of entries) this.#fail(call, error);
        },
      )
      .finally(() => {
        this.#running = false;
        this.#start();
      });
  }

  /** One item of each tenant in turn, until the batch is full or nothing waits. */
  #takeBatch(): Entry<I, O>[] {
    const entries: Entry<I, O>[] = [];
    while (entries.length < this.#options.batch) {
      const next = this.#waiting.entries().next().value;
      if (next === undefined) break;
      const [tenant, own] = next;
      entries.push(own.shift() as Entry<I, O>);
      // To the end of the row.
      this.#waiting.delete(tenant);
      if (own.length > 0) this.#waiting.set(tenant, own);
    }
    this.#queued -= entries.length;
    return entries;
  }
}

function deliver<I, O>(entries: Entry<I, O>[], results: O[]): void {
  // One batch at a time, and the items of a call in their order: so are its results.
  for (const [index, { call }] of entries.entries()) {
    call.results.push(results[index] as O);
    if (--call.missing === 0) call.resolve(call.results);
  }
}
