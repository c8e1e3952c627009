// The same three backends, one of them ten times slower, behind a sidecar and behind a real Envoy with its least request: which share the slow
// one gets, and what that does to the slowest answers. Both are asked at the same time, so that whatever disturbs one disturbs the other.
import http from 'node:http';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Envoy, startEnvoy } from '../parts/envoy.ts';
import { seededRandom } from '../seeded-random.ts';
import { OutboundWorld } from './outbound-fixture.ts';

const FAST_MS = 10;
const SLOW_MS = 100;
const BACKENDS = [FAST_MS, FAST_MS, SLOW_MS];
const PER_SECOND = 150;
const WARM_UP = 150;
const MEASURED = 1_000;

let world: OutboundWorld;
let envoy: Envoy;
let ports: number[];

beforeAll(async () => {
  world = await OutboundWorld.open();
  ports = await Promise.all(
    BACKENDS.map((ms) =>
      world.startService((_request, response) => void setTimeout(() => response.end(String(ms)), ms)),
    ),
  );
  envoy = await startEnvoy({ config: leastRequestTo(ports) });
});

afterAll(async () => {
  await envoy.stop();
  await world.close();
});

test('by peak EWMA a slow backend gets less than by least request, and the slowest answers are no slower', async () => {
  const sidecar = await world.startCaller(ports, {});
  const [ours, theirs] = [new Load(sidecar.outboundPort as number), new Load(envoy.ports.orders as number)];
  const random = seededRandom(1);
  for (let i = 0; i < WARM_UP + MEASURED; i++) {
    const isMeasured = i >= WARM_UP;
    ours.ask(isMeasured);
    theirs.ask(isMeasured);
    await sleep((-Math.log(1 - random()) / PER_SECOND) * 1_000);
  }
  const [mine, other] = [await ours.finish(), await theirs.finish()];
  console.log(
    `share of the slow backend: ${percent(mine.slowShare)} and ${percent(other.slowShare)} of Envoy`,
  );
  console.log(`p99: ${mine.p99Ms.toFixed(1)} ms and ${other.p99Ms.toFixed(1)} ms of Envoy`);
  expect(mine.slowShare).toBeLessThan(other.slowShare);
  expect(mine.p99Ms / other.p99Ms).toBeLessThan(1.05);
});

/** Requests to one proxy that come whether or not those before are answered. */
class Load {
  private readonly port: number;
  private readonly agent = new http.Agent({ keepAlive: true });
  private readonly underWay = new Set<Promise<void>>();
  private readonly latenciesMs: number[] = [];
  private slow = 0;

  constructor(port: number) {
    this.port = port;
  }

  ask(isMeasured: boolean): void {
    const request = this.send(isMeasured).finally(() => this.underWay.delete(request));
    this.underWay.add(request);
  }

  async finish(): Promise<{ readonly slowShare: number; readonly p99Ms: number }> {
    await Promise.all(this.underWay);
    this.agent.destroy();
    const sorted = this.latenciesMs.toSorted((a, b) => a - b);
    return {
      slowShare: this.slow / sorted.length,
      p99Ms: sorted[Math.floor(sorted.length * 0.99)] as number,
    };
  }

  private async send(isMeasured: boolean): Promise<void> {
    const startedMs = performance.now();
    const body = await new Promise<string>((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.port, agent: this.agent, headers: { host: 'orders' } };
      const request = http.get(options, async (response) => {
        let text = '';
        for await (const part of response) text += part;
        resolve(text);
      });
      request.on('error', reject);
    });
    if (!isMeasured) return;
    this.latenciesMs.push(performance.now() - startedMs);
    if (body === String(SLOW_MS)) this.slow++;
  }
}

function leastRequestTo(backends: readonly number[]): Record<string, unknown> {
  const addressOf = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const routes = [{ match: { prefix: '/' }, route: { cluster: 'orders' } }];
  const manager = {
    '@type': typeUrl('filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'orders',
    route_config: { virtual_hosts: [{ name: 'orders', domains: ['*'], routes }] },
    http_filters: [{ name: 'router', typed_config: { '@type': typeUrl('filters.http.router.v3.Router') } }],
  };
  return {
    static_resources: {
      listeners: [
        {
          name: 'orders',
          address: addressOf(0),
          filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
        },
      ],
      clusters: [
        {
          name: 'orders',
          connect_timeout: '1s',
          lb_policy: 'LEAST_REQUEST',
          load_assignment: {
            cluster_name: 'orders',
            endpoints: [
              { lb_endpoints: backends.map((port) => ({ endpoint: { address: addressOf(port) } })) },
            ],
          },
        },
      ],
    },
  };
}

function typeUrl(name: string): string {
  return `type.googleapis.com/envoy.extensions.${name}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
