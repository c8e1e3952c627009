// A real Envoy that asks the service about each request: what it lets through, and that a sidecar with the same policy shares the limit.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import {
  createFolder,
  type EchoOrigin,
  type Folder,
  send,
  sidecarConfig,
  startOrigin,
} from '../../test/e2e/mesh-fixture.ts';
import { type Envoy, startEnvoy } from '../../test/parts/envoy.ts';
import { type Redis, startRedis } from '../../test/parts/redis.ts';
import { type RunningService, startService } from './service.fixture.ts';

const TYPES = 'type.googleapis.com/envoy.extensions';
let redis: Redis;
let origin: EchoOrigin;
let folder: Folder;
let service: RunningService;
let envoy: Envoy;
let sidecar: Sidecar;
let policy: Record<string, unknown>;

beforeAll(async () => {
  [redis, origin, folder] = await Promise.all([startRedis(), startOrigin(), createFolder()]);
  policy = {
    limits: [
      {
        name: 'per-tenant',
        scope: 'global',
        key: [{ header: 'x-tenant', name: 'tenant' }],
        windows: [{ quota: 6, windowSeconds: 3_600 }],
      },
    ],
    redis: { endpoints: [new URL(redis.url).host], keyPrefix: `envoy-${process.pid}:`, deadlineMs: 1_000 },
    onFailure: 'deny',
  };
  service = await startService({ tenants: policy });
  envoy = await startEnvoy({ config: envoyConfig(origin.port, service.port) });
  sidecar = await startSidecar({ configPath: await writeSidecarConfig() });
});

afterAll(async () => {
  await sidecar.drain();
  await envoy.stop();
  await service.stop();
  await Promise.all([redis.stop(), folder.remove()]);
  origin.close();
});

const through = (port: number | undefined, tenant: string, path = '/') =>
  send(port as number, path, { headers: { 'x-tenant': tenant } });

test('an Envoy is limited, tells its callers so, and spends what a descriptor says', async () => {
  await warm();
  const { http } = envoy.ports;
  const first = await through(http, 'acme');
  expect(first.status).toBe(200);
  expect(first.headers['x-ratelimit-remaining']).toBe('5');
  // Three hits at once, by the route.
  const costly = await through(http, 'acme', '/costly');
  expect([costly.status, costly.headers['x-ratelimit-remaining']]).toEqual([200, '2']);
  const refused = await through(http, 'acme', '/costly');
  expect(refused.status).toBe(429);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect((await through(http, 'other')).status).toBe(200);
});

test('an Envoy and a sidecar with the same policy share its limits', async () => {
  await warm();
  const statuses: number[] = [];
  for (let i = 0; i < 5; i++) {
    statuses.push((await through(envoy.ports.http, 'shared')).status);
    statuses.push((await through(sidecar.inboundPorts.http, 'shared')).status);
  }
  expect(statuses).toEqual([...Array(6).fill(200), ...Array(4).fill(429)]);
});

/** Until both have their connections: before that, `deny` refuses. */
async function warm(): Promise<void> {
  while ((await through(envoy.ports.http, 'warm-envoy')).status !== 200) {}
  while ((await through(sidecar.inboundPorts.http, 'warm-sidecar')).status === 503) {}
}

function writeSidecarConfig(): Promise<string> {
  const target = `127.0.0.1:${origin.port}`;
  const config = sidecarConfig('orders', {
    inbound: [{ name: 'http', listen: '127.0.0.1:0', mtls: 'off', target }],
  });
  const document = {
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind: 'RateLimitPolicy',
    metadata: { name: 'tenants', namespace: 'demo' },
    spec: { targetRefs: [{ kind: 'Service', name: 'orders' }], ...policy },
  };
  const inDemo = config.replace('"namespace":"e2e"', '"namespace":"demo"');
  return folder.write('sidecar.yaml', `${inDemo}\n---\n${JSON.stringify(document)}\n`);
}

function envoyConfig(originPort: number, servicePort: number): Record<string, unknown> {
  const byTenant = { request_headers: { header_name: 'x-tenant', descriptor_key: 'tenant' } };
  // Hits are looked at only where the limits of a route stand in its options for the filter.
  const route = (path: string, rateLimit: object) => ({
    match: { prefix: path },
    route: { cluster: 'origin' },
    typed_per_filter_config: {
      'envoy.filters.http.ratelimit': {
        '@type': `${TYPES}.filters.http.ratelimit.v3.RateLimitPerRoute`,
        rate_limits: [{ actions: [byTenant], ...rateLimit }],
      },
    },
  });
  const manager = {
    '@type': `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'http',
    route_config: {
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [route('/costly', { hits_addend: { number: 3 } }), route('/', {})],
        },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.ratelimit',
        typed_config: {
          '@type': `${TYPES}.filters.http.ratelimit.v3.RateLimit`,
          domain: 'demo/tenants',
          failure_mode_deny: true,
          timeout: '2s',
          enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
          rate_limit_service: {
            transport_api_version: 'V3',
            grpc_service: { envoy_grpc: { cluster_name: 'ratelimit' } },
          },
        },
      },
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${TYPES}.filters.http.router.v3.Router` },
      },
    ],
  };
  const listener = {
    name: 'http',
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [
      { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] },
    ],
  };
  return {
    static_resources: {
      listeners: [listener],
      clusters: [cluster('origin', originPort, {}), cluster('ratelimit', servicePort, grpcOptions())],
    },
  };
}

function cluster(name: string, port: number, more: object): Record<string, unknown> {
  const address = { socket_address: { address: '127.0.0.1', port_value: port } };
  return {
    name,
    type: 'STATIC',
    connect_timeout: '2s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
    ...more,
  };
}

function grpcOptions(): Record<string, unknown> {
  return {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': `${TYPES}.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
}
