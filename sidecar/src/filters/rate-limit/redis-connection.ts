/**
 * The connection to a shared store, with its circuit: a store that does not answer is not asked again until it has answered a trial.
 *
 * Invariants
 * - `ask` fails at once while there is no connection; nothing is queued for later.
 * - When the file with user and password has changed, a connection with the new ones takes the place of the one that is there; that has as long as a question
 *   may take to answer what it was asked. No question fails for it.
 * - A connection that fails is given up with all that waits on it, so that a store which hangs holds no memory; a new one is tried at
 *   growing intervals, without end, until `close`.
 */
import type { Cluster, Redis } from 'ioredis';
import { type FileWatch, identifyFile, watchFile } from '../../config/file-watch.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { LIMITS } from '../../core/limits.ts';
import type { StoreSpec } from './config.ts';
import { credentialsFileOf, readCredentials, readRoots } from './redis-credentials.ts';
import { SCRIPT, SCRIPT_SHA } from './redis-script.ts';

export interface ConnectionDeps {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Tells of an outage when it begins and when it ends. */
  readonly report: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

type Client = Redis | Cluster;

export class RedisConnection {
  private readonly spec: StoreSpec;
  private readonly deps: ConnectionDeps;
  private readonly onUp: (up: boolean) => void;
  private client: Client | null = null;
  private retry: Timer | null = null;
  private attempts = 0;
  private failuresInRow = 0;
  private closed = false;
  private watch: FileWatch | null = null;
  /** Those whose place was taken, until they have answered. */
  private readonly former = new Set<Client>();

  constructor(spec: StoreSpec, deps: ConnectionDeps, onUp: (up: boolean) => void) {
    this.spec = spec;
    this.deps = deps;
    this.onUp = onUp;
    // Files that are not there are a mistake of the config; those that change are read again for each connection.
    readCredentials(spec);
    readRoots(spec);
    void this.start();
  }

  get isUp(): boolean {
    return this.client !== null;
  }

  /** Rejects when the store has no answer. */
  async ask(keys: readonly string[], args: readonly number[]): Promise<number[]> {
    const { client } = this;
    if (client === null) throw new Error('not connected');
    try {
      return (await client.evalsha(SCRIPT_SHA, keys.length, ...keys, ...args)) as number[];
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      // The server was restarted, or is another node of a cluster: with its text the script is loaded, too.
      return (await client.eval(SCRIPT, keys.length, ...keys, ...args)) as number[];
    }
  }

  onAnswered(): void {
    this.failuresInRow = 0;
  }

  /** A question stayed unanswered. One may be bad luck; several in a row open the circuit. */
  onUnanswered(): void {
    this.failuresInRow++;
    if (this.failuresInRow >= LIMITS.rateLimitStoreFailures && this.client !== null)
      this.lose(this.client, `${this.failuresInRow} questions in a row stayed unanswered`);
  }

  close(): void {
    this.closed = true;
    this.watch?.close();
    this.retry?.cancel();
    this.client?.disconnect();
    this.client = null;
    for (const client of this.former) client.disconnect();
  }

  private async start(): Promise<void> {
    const path = credentialsFileOf(this.spec);
    if (path !== null) {
      const { clock } = this.deps;
      const since = await identifyFile(path);
      const onPollingOnly = (reason: string) => this.tell('rate_limit_store_polled', { reason });
      if (!this.closed)
        this.watch = watchFile({ path, since, clock, onPollingOnly, onChange: () => void this.connect() });
    }
    await this.connect();
  }

  private async connect(): Promise<void> {
    this.retry?.cancel();
    this.attempts++;
    const client = await this.open();
    if (client === null) return;
    if (this.closed) {
      client.disconnect();
      return;
    }
    const former = this.client;
    this.client = client;
    this.attempts = 0;
    this.failuresInRow = 0;
    client.once('end', () => this.lose(client, 'the connection was closed'));
    if (former !== null) {
      this.retire(former);
      return;
    }
    this.onUp(true);
    this.tell('rate_limit_store_up', {});
  }

  private retire(client: Client): void {
    this.former.add(client);
    this.deps.clock.setTimer(() => {
      this.former.delete(client);
      client.disconnect();
    }, this.spec.deadlineMs);
    this.tell('rate_limit_store_rotated', {});
  }

  private async open(): Promise<Client | null> {
    let client: Client | null = null;
    const overdue = this.deps.clock.setTimer(() => client?.disconnect(), LIMITS.rateLimitStoreConnectMs);
    try {
      client = await createClient(this.spec);
      // What fails is seen by those who asked; without a listener it would be an uncaught exception.
      client.on('error', () => {});
      await client.connect();
      await client.script('LOAD', SCRIPT);
      return client;
    } catch (error) {
      client?.disconnect();
      this.retryLater(error instanceof Error ? error.message : String(error));
      return null;
    } finally {
      overdue.cancel();
    }
  }

  private lose(client: Client, reason: string): void {
    if (this.client !== client) return;
    this.client = null;
    this.onUp(false);
    client.disconnect();
    this.tell('rate_limit_store_lost', { reason });
    this.retryLater(reason);
  }

  private retryLater(reason: string): void {
    if (this.closed) return;
    this.retry?.cancel();
    if (this.attempts === 1) this.tell('rate_limit_store_unreachable', { reason });
    const { rateLimitStoreRetryMs, rateLimitStoreRetryMaxMs } = LIMITS;
    const delayMs = Math.min(rateLimitStoreRetryMs * 2 ** this.attempts, rateLimitStoreRetryMaxMs);
    // Sidecars that lost a store together must not all come back to it at the same time.
    const jittered = delayMs * (0.5 + this.deps.random() / 2);
    this.retry = this.deps.clock.setTimer(() => void this.connect(), jittered);
  }

  private tell(event: string, fields: Readonly<Record<string, unknown>>): void {
    this.deps.report(event, { store: this.spec.endpoints[0], ...fields });
  }
}

async function createClient(spec: StoreSpec): Promise<Client> {
  // Sidecars without a shared store do without its client, too.
  const { Cluster, Redis } = await import('ioredis');
  const node = {
    ...readCredentials(spec),
    ...(spec.tls === 'on' ? { tls: readRoots(spec) } : {}),
    connectTimeout: LIMITS.rateLimitStoreConnectMs,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  };
  // One question of each request, one write for all of a round of events.
  const common = { lazyConnect: true, enableOfflineQueue: false, enableAutoPipelining: true };
  const addresses = spec.endpoints.map(splitAddress);
  if (spec.cluster === 'on')
    return new Cluster(addresses, { ...common, redisOptions: node, clusterRetryStrategy: () => null });
  const { host, port } = addresses[0] as (typeof addresses)[number];
  return new Redis({ ...node, ...common, host, port, retryStrategy: () => null });
}

function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return {
    host: address.slice(0, colon).replace(/^\[|\]$/g, ''),
    port: Number(address.slice(colon + 1)),
  };
}
