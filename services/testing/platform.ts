/**
 * The services on one Redis, without sidecars, and what a client of the platform does with them.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { findMiniLm } from '../../test/parts/minilm.ts';
import { findFreePort } from '../../test/parts/part.ts';
import { type Redis, startRedis } from '../../test/parts/redis.ts';
import type { RunView } from '../lib/contracts.ts';
import type { ReceivedWebhook } from '../webhook-receiver/receiver.ts';
import { type ServiceProcess, startService } from './service-process.ts';
import { type OwnVectorStore, startOwnVectorStore } from './vector-store.ts';

export const API_KEY = randomBytes(32).toString('hex');
export const OTHER_API_KEY = randomBytes(32).toString('hex');
export const SIGNING_SECRET = `whsec_${randomBytes(32).toString('base64')}`;

const WORKFLOWS = readFileSync(new URL('../workflow-worker/workflows.yaml', import.meta.url), 'utf8');
const QUICK_RETRY = { attempts: 3, firstDelayMs: 20, maxDelayMs: 100 };

export interface PlatformOptions {
  redis?: Redis;
  telemetryEndpoint?: string;
  /** The worker starts alone; `startDispatcher` brings the dispatcher later. */
  withoutDispatcher?: boolean;
  /** With the AI processor and its vector store. */
  ai?: boolean;
  dispatcher?: object;
  worker?: object;
}

export class Platform {
  readonly redis: Redis;
  readonly services = new Map<string, ServiceProcess>();
  readonly #common: object;
  #dispatcherPort = 0;
  #vectorStore: OwnVectorStore | null = null;

  constructor(redis: Redis, common: object) {
    this.redis = redis;
    this.#common = common;
  }

  static async start(options: PlatformOptions = {}): Promise<Platform> {
    const redis = options.redis ?? (await startRedis());
    const telemetry = options.telemetryEndpoint && {
      telemetry: { endpoint: options.telemetryEndpoint, headSampleRatio: 1 },
    };
    const metrics = { listen: '127.0.0.1:0' };
    const platform = new Platform(redis, { redis: { url: redis.url }, metrics, ...telemetry });
    await platform.#startAll(options, telemetry || {});
    return platform;
  }

  async startDispatcher(config: object = {}): Promise<ServiceProcess> {
    return this.#add(
      await startService(
        'webhook-dispatcher',
        {
          ...this.#common,
          listen: `127.0.0.1:${this.#dispatcherPort}`,
          secrets: { signingSecrets: { file: 'secrets.yaml' } },
          retry: QUICK_RETRY,
          ...config,
        },
        { 'secrets.yaml': JSON.stringify({ tenants: { acme: [SIGNING_SECRET], globex: [SIGNING_SECRET] } }) },
      ),
    );
  }

  url(name: string): string {
    const service = this.services.get(name);
    if (!service) throw new Error(`${name} was not started`);
    return service.url;
  }

  /** A client's request to the gateway. */
  call(path: string, options: { body?: unknown; key?: string; headers?: Record<string, string> } = {}) {
    const headers: Record<string, string> = { 'x-api-key': options.key ?? API_KEY, ...options.headers };
    if (options.body === undefined) return fetch(this.url('gateway') + path, { headers });
    headers['content-type'] ??= 'application/json';
    const body = typeof options.body === 'string' ? options.body : JSON.stringify(options.body);
    return fetch(this.url('gateway') + path, { method: 'POST', headers, body });
  }

  async startRun(
    hook: string,
    headers: Record<string, string> = {},
    input: object = { orderId: 1 },
    workflow = 'order-placed',
  ) {
    const webhookUrl = hook.startsWith('http') ? hook : this.url('webhook-receiver') + hook;
    const response = await this.call(`/v1/workflows/${workflow}/runs`, {
      body: { webhookUrl, input },
      headers,
    });
    if (response.status !== 202) throw new Error(`the run was not accepted: ${await response.text()}`);
    const { runId } = (await response.json()) as { runId: string };
    return { runId, requestId: response.headers.get('x-request-id') as string };
  }

  async readRun(runId: string): Promise<RunView> {
    return (await this.call(`/v1/runs/${runId}`)).json() as Promise<RunView>;
  }

  async waitForRun(runId: string, isThere: (run: RunView) => boolean): Promise<RunView> {
    return waitFor(`run ${runId}`, () => this.readRun(runId), isThere);
  }

  async received(webhookId: string): Promise<ReceivedWebhook[]> {
    const response = await fetch(`${this.url('webhook-receiver')}/received`);
    const { items } = (await response.json()) as { items: ReceivedWebhook[] };
    return items.filter((item) => item.webhookId === webhookId);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.services.values()].map((service) => service.stop()));
    await this.redis.stop();
    await this.#vectorStore?.stop();
  }

  async #startAll(options: PlatformOptions, telemetry: object): Promise<void> {
    this.#dispatcherPort = await findFreePort();
    const files = { 'workflows.yaml': WORKFLOWS };
    const ai = options.ai ? { ai: { url: await this.#startAi(telemetry) } } : {};
    const worker = startService(
      'workflow-worker',
      {
        ...this.#common,
        workflowsFile: 'workflows.yaml',
        retry: QUICK_RETRY,
        dispatcher: { url: `http://127.0.0.1:${this.#dispatcherPort}` },
        ...ai,
        ...options.worker,
      },
      files,
    );
    const receiver = startService(
      'webhook-receiver',
      { ...telemetry, secrets: { signingSecret: { file: 'secret' } } },
      { secret: SIGNING_SECRET },
    );
    if (!options.withoutDispatcher) await this.startDispatcher(options.dispatcher);
    this.#add(await receiver);
    const keys = [
      { tenant: 'acme', hash: hashOf(API_KEY) },
      { tenant: 'globex', hash: hashOf(OTHER_API_KEY) },
    ];
    const gateway = await startService(
      'gateway',
      {
        ...this.#common,
        secrets: { apiKeys: { file: 'keys.yaml' } },
        workflowsFile: 'workflows.yaml',
        worker: { url: this.#add(await worker).url },
        ...ai,
      },
      { ...files, 'keys.yaml': JSON.stringify({ keys }) },
    );
    this.#add(gateway);
  }

  async #startAi(telemetry: object): Promise<string> {
    this.#vectorStore = await startOwnVectorStore(telemetry);
    const store = this.#add(this.#vectorStore.process);
    const model = { folder: await findMiniLm() };
    return this.#add(
      await startService('ai-processor', { ...telemetry, model, vectorStore: { url: store.url } }),
    ).url;
  }

  #add(service: ServiceProcess): ServiceProcess {
    this.services.set(service.name, service);
    return service;
  }
}

/** Asks again until it holds; says what was there last when it never does. */
export async function waitFor<T>(
  what: string,
  read: () => Promise<T>,
  holds: (value: T) => boolean,
): Promise<T> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const value = await read();
    if (holds(value)) return value;
    if (performance.now() > deadline) throw new Error(`${what} never got there: ${JSON.stringify(value)}`);
    await sleep(20);
  }
}

export function untilConnected(redis: { readonly status: string }): Promise<string> {
  return waitFor(
    'redis',
    async () => redis.status,
    (status) => status === 'ready',
  );
}

function hashOf(key: string): string {
  return `sha256:${createHash('sha256').update(key).digest('hex')}`;
}
