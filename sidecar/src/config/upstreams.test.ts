import { expect, test } from 'vitest';
import { seededRandom } from '../../../test/seeded-random.ts';
import { Deadlines } from '../core/deadlines.ts';
import { ManualClock } from '../core/manual-clock.fixture.ts';
import { RandomWords } from '../observe/random-words.ts';
import { TransportContext } from '../transport/transport.ts';
import { EndpointTransport } from '../upstream/endpoint.ts';
import { CheckSlots } from '../upstream/health/check-slots.ts';
import { spec } from '../upstream/traffic-policy.ts';
import { parseConfig } from './load.ts';
import type { SidecarConfig } from './schema.ts';
import { outboundProfile } from './snapshot.ts';
import { type UpstreamDeps, type Upstreams, UpstreamsBuilder } from './upstreams.ts';

const clock = new ManualClock(0);
const context = new TransportContext(clock, new Deadlines(clock));
const ignore = (): void => {};
const deps: UpstreamDeps = {
  context,
  random: new RandomWords(seededRandom(1)),
  checkSlots: new CheckSlots(),
  openTransport: (...how) => new EndpointTransport(context, ...how),
  clientTlsOptions: () => ({}),
  poolObserver: () => ({ onConnected: ignore, onConnectFailed: ignore }),
  groupObserver: () => ({ onEjection: ignore, onReturn: ignore, onHealthChange: ignore }),
};
const traffic = {
  name: 'orders',
  namespace: 'default',
  targets: [],
  spec: spec.parse({
    loadBalancer: { algorithm: 'maglev', hash: { header: 'x-user' } },
    healthCheck: { http: { path: '/healthz' } },
  }),
};

function configWith(endpoints: string): SidecarConfig {
  const outbound = `{ listen: "127.0.0.1:0", services: [{ host: orders, mtls: off, endpoints: [${endpoints}] }] }`;
  const metadata = 'apiVersion: mesh.tulle.dev/v1alpha1\nkind: Sidecar\nmetadata: { name: a }\n';
  const text = `${metadata}spec: { service: shop, outbound: ${outbound} }`;
  const loaded = parseConfig([{ file: 'a.yaml', text }], '/');
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.config;
}

function build(endpoints: string, previous: Upstreams | null): UpstreamsBuilder {
  const config = configWith(endpoints);
  const builder = new UpstreamsBuilder(config, previous, deps);
  const profile = outboundProfile('orders', 'shop');
  builder.balancerTo(
    { ...profile, policies: { ...profile.policies, traffic } },
    'auto',
    config.outbound?.services[0]?.endpoints ?? [],
  );
  return builder;
}

const addressesOf = ({ groups }: Upstreams): string[] =>
  [...groups.values()].flatMap(({ records }) => [...records].map(({ address }) => address));

test('what both snapshots need is carried over, and changes only when the second takes over', () => {
  const first = build('127.0.0.1:1, 127.0.0.1:2', null);
  for (const takeOver of first.takeovers) takeOver();
  // Connections of callers, and those of health checks.
  expect(first.pools.size).toBe(4);

  const same = build('127.0.0.1:1, 127.0.0.1:2', first);
  expect([...same.pools]).toEqual([...first.pools]);
  expect([...same.tables.values()][0]).toBe([...first.tables.values()][0]);
  expect([...same.groups.values()][0]).toBe([...first.groups.values()][0]);

  const other = build('127.0.0.1:2, 127.0.0.1:3', first);
  expect([...other.pools.keys()].filter((key) => first.pools.has(key))).toHaveLength(2);
  expect([...other.tables.values()][0]).not.toBe([...first.tables.values()][0]);
  expect(addressesOf(other)).toEqual(['127.0.0.1:1', '127.0.0.1:2']);
  for (const takeOver of other.takeovers) takeOver();
  expect(addressesOf(other)).toEqual(['127.0.0.1:2', '127.0.0.1:3']);
});
