// A caller and a service with two endpoints, behind sidecars of this process, with what the demo's mesh has no use for: every kind of policy at
// work, a route that splits and copies, a Redis that is looked at, gRPC, an endpoint that fails and one that is not who it should be.
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  Client,
  credentials,
  Server as GrpcServer,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { Redis as RedisClient } from 'ioredis';
import { type OtlpReceiver, startOtlpReceiver } from '../../examples/demo/otlp-receiver.ts';
import type { Authority } from '../../mesh/ca/authority.ts';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import {
  createFolder,
  type Folder,
  openAuthority,
  send,
  sidecarConfig,
  spiffeId,
  startOrigin,
  writeIdentity,
} from '../e2e/mesh-fixture.ts';
import type { ScrapeJob } from '../parts/prometheus.ts';
import { type Redis, startRedis } from '../parts/redis.ts';

export const CALLER = 'storefront';
export const CALLED = 'catalog';

const TENANTS = ['acme', 'globex', 'initech'];
const TOKEN_SECRET = 'a secret that the issuer and the storefront share, for tests only';
const API = 'mesh.tulle.dev/v1alpha1';
const SLOW_MS = 60;

type Spec = Record<string, unknown>;

export class PolicyPair {
  private readonly folder: Folder;
  private readonly authority: Authority;
  private readonly redis: Redis;
  private readonly receiver: OtlpReceiver;
  private readonly sidecars: { readonly service: string; readonly sidecar: Sidecar }[] = [];
  private readonly closings: (() => void | Promise<void>)[] = [];
  private caller: Sidecar | null = null;
  private store: RedisClient | null = null;
  private requests = 0;

  private constructor(folder: Folder, authority: Authority, redis: Redis, receiver: OtlpReceiver) {
    this.folder = folder;
    this.authority = authority;
    this.redis = redis;
    this.receiver = receiver;
  }

  static async open(): Promise<PolicyPair> {
    const [folder, authority, redis, receiver] = await Promise.all([
      createFolder(),
      openAuthority(),
      startRedis({ own: true }),
      startOtlpReceiver(() => {}),
    ]);
    const pair = new PolicyPair(folder, authority, redis, receiver);
    await pair.start();
    return pair;
  }

  get scrapeJobs(): ScrapeJob[] {
    const targets = this.sidecars.map(({ service, sidecar }, i) => ({
      address: `127.0.0.1:${sidecar.adminPort}`,
      labels: { namespace: 'shop', pod: `${service}-${i + 1}` },
    }));
    return [{ job: 'tulle-sidecar', targets }];
  }

  /** One of each kind of request, and what becomes of it is no matter. */
  async request(): Promise<void> {
    const { inboundPorts, outboundPort, servicePorts } = this.running();
    const count = this.requests++;
    const tenant = TENANTS[count % TENANTS.length] as string;
    const token = count % 5 === 0 ? 'not.a.token' : bearer(tenant);
    const inbound = inboundPorts.http as number;
    const outbound = { host: CALLED, headers: { 'x-tenant-id': tenant } };
    await Promise.allSettled([
      send(inbound, '/orders', { headers: { 'x-tenant-id': tenant, authorization: `Bearer ${token}` } }),
      send(inbound, '/search', { method: 'POST', body: searchFor(count), headers: JSON_HEADERS }),
      send(inbound, '/admin'),
      send(outboundPort as number, `/items/${count % 10}`, outbound),
      send(outboundPort as number, `/slow/${count % 10}`, outbound),
      send(outboundPort as number, '/items', { ...outbound, method: 'PUT', body: 'x'.repeat(2_000) }),
      send(outboundPort as number, '/', { host: 'impostor' }),
      send(servicePorts.gone as number, '/'),
      this.store?.set(`item:${count % 10}`, tenant),
      this.store?.get(`item:${count % 10}`),
      this.call(inboundPorts.grpc as number, count % 4 === 0 ? 'Fail' : 'Ask'),
    ]);
  }

  async close(): Promise<void> {
    this.store?.disconnect();
    for (const close of this.closings.reverse()) await close();
    await Promise.all(this.sidecars.map(({ sidecar }) => sidecar.drain()));
    await this.receiver.close();
    await this.redis.stop();
    await this.folder.remove();
  }

  private async start(): Promise<void> {
    const working = await this.startService(() => 200);
    const flaky = await this.startService((count) => (count % 20 < 3 ? 503 : 200));
    // One after the other, as both write the files of the same identity.
    const endpoints = [await this.startCalled(working), await this.startCalled(flaky)];
    const next = await this.startCalled(working, 'catalog-next');
    const origin = await startOrigin();
    this.closings.push(() => origin.close());
    const grpc = await this.startGrpc();
    await this.folder.write('token-secret', TOKEN_SECRET, 0o600);
    this.caller = await this.startSidecar(
      CALLER,
      {
        access: { default: 'deny' },
        inbound: [
          { name: 'http', listen: '127.0.0.1:0', mtls: 'permissive', target: `127.0.0.1:${origin.port}` },
          { name: 'grpc', listen: '127.0.0.1:0', mtls: 'off', protocol: 'grpc', target: `127.0.0.1:${grpc}` },
        ],
        outbound: {
          listen: '127.0.0.1:0',
          services: [
            { host: CALLED, identity: spiffeId(CALLED), endpoints: endpoints.map(addressOf) },
            { host: 'catalog-next', identity: spiffeId('catalog-next'), endpoints: [addressOf(next)] },
            { host: 'impostor', identity: spiffeId('somebody-else'), endpoints: [addressOf(next)] },
            {
              host: 'cache',
              mtls: 'off',
              protocol: 'redis',
              listen: '127.0.0.1:0',
              endpoints: [`127.0.0.1:${this.redis.port}`],
            },
            { host: 'gone', mtls: 'off', protocol: 'tcp', listen: '127.0.0.1:0', endpoints: ['127.0.0.1:1'] },
          ],
        },
      },
      ...this.policies(),
    );
    this.store = new RedisClient({ port: this.caller.servicePorts.cache as number, maxRetriesPerRequest: 1 });
    this.store.on('error', () => {});
  }

  private policies(): object[] {
    const at = (name: string) => ({ targetRefs: [{ kind: 'Service', name }] });
    return [
      policy('RateLimitPolicy', 'tenants', {
        ...at(CALLER),
        limits: [
          {
            name: 'per-tenant',
            scope: 'global',
            key: [{ header: 'x-tenant-id', name: 'tenant' }],
            absent: 'skip',
            windows: [{ quota: 6, windowSeconds: 60, burst: 2 }],
          },
          { name: 'whole', windows: [{ quota: 100_000, windowSeconds: 1 }] },
        ],
        redis: { endpoints: [`127.0.0.1:${this.redis.port}`] },
      }),
      policy('JwtPolicy', 'login', {
        ...at(CALLER),
        issuers: [{ name: 'login', issuer: 'login.test', audiences: ['shop'], secretFile: 'token-secret' }],
      }),
      policy('AccessPolicy', 'storefront', {
        ...at(CALLER),
        rules: [
          { name: 'no-admin', action: 'deny', to: { paths: ['/admin'] } },
          { name: 'everything-else', action: 'allow' },
        ],
      }),
      policy('WafPolicy', 'search', { ...at(CALLER), mode: 'shadow' }),
      policy('FaultPolicy', 'trouble', {
        ...at(CALLER),
        delay: { percentage: 10, delayMs: 5 },
        abort: { percentage: 5 },
      }),
      policy('TrafficPolicy', 'catalog', {
        ...at(CALLED),
        loadBalancer: { algorithm: 'roundRobin' },
        outlierDetection: { consecutive: { gatewayFailures: 2 }, ejection: { baseMs: 500, maxMs: 2_000 } },
        healthCheck: { http: { path: '/health' }, intervalMs: 500 },
        timeouts: { attemptMs: 2_000 },
        retry: { backoff: { baseMs: 1, maxMs: 5 } },
        hedge: { percentile: 50, minDelayMs: 5 },
        concurrency: { limit: 4, queue: { size: 1, timeoutMs: 20 } },
      }),
      {
        apiVersion: 'gateway.networking.k8s.io/v1',
        kind: 'HTTPRoute',
        metadata: { name: 'catalog', namespace: 'e2e' },
        spec: {
          parentRefs: [{ group: '', kind: 'Service', name: CALLED }],
          rules: [
            {
              name: 'reads',
              matches: [{ method: 'GET' }],
              backendRefs: [
                { name: CALLED, port: 80, weight: 90 },
                { name: 'catalog-next', port: 80, weight: 10 },
              ],
            },
            {
              name: 'writes',
              filters: [
                { type: 'RequestMirror', requestMirror: { backendRef: { name: 'catalog-next', port: 80 } } },
              ],
              backendRefs: [{ name: CALLED, port: 80 }],
            },
          ],
        },
      },
    ];
  }

  /** Behind mTLS, and a limit that is tried out. */
  private startCalled(target: number, service = CALLED): Promise<Sidecar> {
    const inbound = [{ name: 'http', listen: '127.0.0.1:0', mtls: 'strict', target: `127.0.0.1:${target}` }];
    const limits = policy('RateLimitPolicy', 'trial', {
      targetRefs: [{ kind: 'Service', name: service }],
      mode: 'shadow',
      limits: [{ name: 'whole', windows: [{ quota: 1, windowSeconds: 10 }] }],
    });
    return this.startSidecar(service, { inbound }, limits);
  }

  private async startSidecar(service: string, spec: Spec, ...documents: object[]): Promise<Sidecar> {
    const identity = await writeIdentity(this.folder, this.authority, { spiffeId: spiffeId(service) });
    const traces = {
      endpoint: `http://127.0.0.1:${this.receiver.port}`,
      headSampleRatio: 0.1,
      intake: '127.0.0.1:0',
    };
    const config = sidecarConfig(service, {
      ...spec,
      identity,
      telemetry: { accessLog: `./${service}.log`, traces, keyPrefixes: 'on' },
      timeouts: { drainMs: 500 },
    });
    const name = `${service}-${this.sidecars.length}.yaml`;
    const text = [config, ...documents.map((document) => JSON.stringify(document))].join('\n---\n');
    const sidecar = await startSidecar({
      configPath: await this.folder.write(name, text),
      lastGoodPath: null,
    });
    this.sidecars.push({ service, sidecar });
    return sidecar;
  }

  /** Some paths are slow; `statusOf` the count of a request says how it is answered. */
  private async startService(statusOf: (count: number) => number): Promise<number> {
    let count = 0;
    const server = http.createServer((request, response) => {
      request.resume();
      const status = request.url === '/health' ? 200 : statusOf(count++);
      const answer = () => void response.writeHead(status).end('y'.repeat(500));
      if (request.url?.startsWith('/slow')) setTimeout(answer, SLOW_MS);
      else answer();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.closings.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return (server.address() as AddressInfo).port;
  }

  private async startGrpc(): Promise<number> {
    const server = new GrpcServer();
    const ask = (_call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) =>
      answer(null, Buffer.from('yes'));
    const fail = (_call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) =>
      answer({ code: status.INTERNAL, details: 'on purpose' });
    server.addService({ Ask: methodOf('Ask'), Fail: methodOf('Fail') }, { Ask: ask, Fail: fail });
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
    this.closings.push(() => server.forceShutdown());
    return promise;
  }

  private grpcClient: Client | null = null;

  private call(port: number, name: string): Promise<void> {
    if (this.grpcClient === null) {
      const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
      this.closings.push(() => client.close());
      this.grpcClient = client;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const { path, requestSerialize, responseDeserialize } = methodOf(name);
    this.grpcClient.makeUnaryRequest(path, requestSerialize, responseDeserialize, Buffer.from('?'), () => {
      resolve();
    });
    return promise;
  }

  private running(): Sidecar {
    if (this.caller === null) throw new Error('the pair has not started');
    return this.caller;
  }
}

const JSON_HEADERS = { 'content-type': 'application/json' };

function policy(kind: string, name: string, spec: Spec): object {
  return { apiVersion: API, kind, metadata: { name, namespace: 'e2e' }, spec };
}

function addressOf(sidecar: Sidecar): string {
  return `127.0.0.1:${sidecar.inboundPorts.http}`;
}

/** Now and then something that a WAF finds. */
function searchFor(count: number): string {
  return JSON.stringify({ q: count % 4 === 0 ? "x' UNION SELECT card FROM customers--" : 'blue shoes' });
}

function bearer(tenant: string): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1_000) + 3_600;
  const claims = { iss: 'login.test', aud: 'shop', sub: tenant, exp };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', TOKEN_SECRET).update(signed).digest('base64url')}`;
}

function methodOf(name: string) {
  const same = (bytes: Buffer): Buffer => bytes;
  return {
    path: `/shop.Questions/${name}`,
    requestStream: false as const,
    responseStream: false as const,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}
