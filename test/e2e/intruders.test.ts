// A worker behind its sidecar takes calls from the API and from nobody else: real certificates, real sockets, and a real Envoy in the place of the
// caller. Who is refused is seen.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { issueSvid } from '../../mesh/ca/issue-svid.ts';
import type { Sidecar } from '../../sidecar/src/app.ts';
import type { Svid } from '../../sidecar/src/identity/svid.ts';
import {
  bootstrap,
  httpCluster,
  httpListener,
  tcpCluster,
  tcpListener,
  upstreamTls,
} from '../bench/contenders/envoy-config.ts';
import { type Envoy, startEnvoy } from '../parts/envoy.ts';
import { Caller, PROTOCOLS, type Spoken } from './access-fixture.ts';
import { API, GuardedWorker, ONLY_API, portOf } from './guarded-worker.ts';
import { findIntruders, type Intruder } from './intruder-fixture.ts';
import { spiffeId, svidFiles } from './mesh-fixture.ts';
import { metric, until } from './tcp-fixture.ts';

/** Nobody is to be refused for being slow. */
const GUARD = { rules: ONLY_API, spec: { timeouts: { drainMs: 500, connectMs: 10_000 } } };

let mesh: GuardedWorker;
let intruders: Intruder[];
beforeAll(async () => {
  mesh = await GuardedWorker.start();
  intruders = await findIntruders(mesh);
});
afterAll(() => mesh.close());

/** What the worker has seen so far, over whatever protocol. */
function reached(): number {
  const { origin, tcp, calls } = mesh.worker;
  return origin.connections() + tcp.sockets.length + calls();
}

/** One refusal of an intruder more than `before`, in metric and log. */
async function expectSeen(sidecar: Sidecar, name: string, protocol: Spoken, { reason }: Intruder) {
  const counted = (): Promise<number> =>
    reason === null
      ? metric(sidecar, 'tulle_access_decisions_total', 'rule="no_rule"', 'decision="deny"')
      : metric(sidecar, 'tulle_downstream_tls_failures_total', `"${protocol}"`, `reason="${reason}"`);
  await expect.poll(counted, { message: `${name}: ${reason}` }).toBeGreaterThan(0);
  await until(async () => (await mesh.readLog(name)).length > 0);
  const line = (await mesh.readLog(name)).at(-1);
  const told =
    reason === null
      ? { failure: 'access_denied', access: 'deny', access_policy: 'e2e/worker', access_rule: 'no_rule' }
      : { failure: 'handshake_failed', failure_detail: reason };
  expect(line).toMatchObject({ ...told, direction: 'inbound', route: protocol });
  if (reason === null) expect(line).toMatchObject({ peer_identity: spiffeId('intruder') });
}

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('the worker serves the API', async () => {
    const sidecar = await mesh.guard(`api-${protocol}`, GUARD);
    expect(await (await mesh.caller('api')).call(protocol, portOf(sidecar, protocol))).toBe('served');
    expect(await metric(sidecar, 'tulle_access_decisions_total', 'rule="api"', 'decision="allow"')).toBe(1);
  });

  it('the worker never hears of anybody else, and each of them is seen', async () => {
    const before = reached();
    for (const [index, intruder] of intruders.entries()) {
      const name = `${protocol}-${index}`;
      const sidecar = await mesh.guard(name, GUARD);
      const fate = await new Caller(intruder.svid).call(protocol, portOf(sidecar, protocol));
      // A connection has no words for a denial.
      const denied = intruder.reason === null && protocol !== 'tcp';
      expect(fate, intruder.name).toBe(denied ? 'denied' : 'closed');
      await expectSeen(sidecar, name, protocol, intruder);
    }
    expect(reached()).toBe(before);
  });
});

describe.each(['http1', 'http2', 'tcp'] as const)('a real Envoy over %s', (protocol) => {
  const running: Envoy[] = [];
  afterAll(() => Promise.all(running.map((envoy) => envoy.stop())));

  async function start(sidecar: Sidecar, svid: Svid | null): Promise<number> {
    const envoy = await startEnvoy({
      config: configOf(portOf(sidecar, protocol), svid),
      files: svid === null ? {} : svidFiles(svid),
    });
    running.push(envoy);
    return envoy.ports.client as number;
  }

  function configOf(port: number, svid: Svid | null) {
    const alpn = protocol === 'http1' ? 'http/1.1' : 'h2';
    const tls = svid === null ? null : upstreamTls(spiffeId('worker'), protocol === 'tcp' ? 'none' : alpn);
    if (protocol === 'tcp') {
      const cluster = { ...tcpCluster(port), ...(tls === null ? {} : { transport_socket: tls }) };
      return bootstrap({ listener: tcpListener(), clusters: [cluster] });
    }
    const listener = httpListener({ hasFeatures: false, service: 'caller', tls: null });
    return bootstrap({ listener, clusters: [httpCluster({ port, protocol: alpn, tls })] });
  }

  async function callThrough(port: number): Promise<number | string> {
    const client = new Caller(null);
    return protocol === 'tcp' ? client.call('tcp', port) : (await client.request(port)).status;
  }

  it('is served as the API', async () => {
    const sidecar = await mesh.guard(`envoy-api-${protocol}`, GUARD);
    const svid = await issueSvid(mesh.authority, { spiffeId: API });
    expect(await callThrough(await start(sidecar, svid))).toBe(protocol === 'tcp' ? 'served' : 200);
  });

  it('is refused with what any intruder has, and seen', async () => {
    // Without a certificate of its own Envoy is as one in clear, which it is here, too.
    const armed = intruders.filter(({ svid }) => svid?.certificatePem !== '');
    const before = reached();
    for (const [index, intruder] of armed.entries()) {
      const name = `envoy-${protocol}-${index}`;
      const sidecar = await mesh.guard(name, GUARD);
      const answer = await callThrough(await start(sidecar, intruder.svid));
      const words = intruder.reason === null ? 403 : 503;
      expect(answer, intruder.name).toBe(protocol === 'tcp' ? 'closed' : words);
      await expectSeen(sidecar, name, protocol, intruder);
      await running.pop()?.stop();
    }
    expect(reached()).toBe(before);
  });
});
