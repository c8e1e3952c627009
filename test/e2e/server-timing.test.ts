// Who is told by Server-Timing where the time went, over both protocols and through a pair of sidecars.
import { once } from 'node:events';
import http2 from 'node:http2';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startSidecar } from '../../sidecar/src/app.ts';
import { Caller } from './access-fixture.ts';
import { type GuardedSidecar, GuardedWorker, portOf } from './guarded-worker.ts';
import { send, sidecarConfig, spiffeId, writeIdentity } from './mesh-fixture.ts';

const STRANGER = new Caller(null);
const TOLD =
  /^tulle;dur=\d+\.\d{3};desc="worker inbound"(, tulle-[a-z]+;dur=\d+\.\d{3})*, tulle-upstream;dur=\d+\.\d{3}$/;

let mesh: GuardedWorker;
let sidecar: GuardedSidecar;
beforeAll(async () => {
  mesh = await GuardedWorker.start();
  sidecar = await mesh.guard('telling', guardWith('mesh'));
});
afterAll(() => mesh.close());

function guardWith(serverTiming: string) {
  return { mtls: 'permissive', spec: { telemetry: { accessLog: 'off', serverTiming } } };
}

type Version = 'http1' | 'http2';

/** The field as the caller gets it; null when there is none. */
async function told(version: Version, caller: Caller): Promise<string | null> {
  const port = portOf(sidecar, version);
  if (version === 'http1')
    return ((await caller.request(port, '/slow?ms=2')).headers['server-timing'] as string) ?? null;
  const session = http2.connect('http://worker', { createConnection: () => caller.connect(port, 'h2') });
  const [headers] = await once(session.request({ ':path': '/slow?ms=2' }), 'response');
  session.destroy();
  return headers['server-timing'] ?? null;
}

it.each<[string, Version, boolean, boolean]>([
  ['off', 'http1', false, false],
  ['off', 'http2', false, false],
  ['mesh', 'http1', true, false],
  ['mesh', 'http2', true, false],
  ['everyone', 'http1', true, true],
  ['everyone', 'http2', true, true],
])('%s, %s: the mesh is told %s, strangers %s', async (audience, version, mine, strangers) => {
  await sidecar.reguard(guardWith(audience));
  const expected = (tells: boolean) => (tells ? expect.stringMatching(TOLD) : null);
  expect(await told(version, await mesh.caller('api'))).toEqual(expected(mine));
  expect(await told(version, STRANGER)).toEqual(expected(strangers));
});

it('a service gets the times of both hops, in the order in which the response passed them', async () => {
  await sidecar.reguard(guardWith('mesh'));
  const identity = await writeIdentity(mesh.folder, mesh.authority, { spiffeId: spiffeId('api') });
  const service = {
    ...{ host: 'worker', mtls: 'strict', identity: spiffeId('worker') },
    endpoints: [`127.0.0.1:${portOf(sidecar, 'http1')}`],
  };
  const config = sidecarConfig('api', {
    identity,
    outbound: { listen: '127.0.0.1:0', services: [service] },
    telemetry: { accessLog: 'off', serverTiming: 'mesh' },
  });
  const api = await startSidecar({ configPath: await mesh.folder.write('api.yaml', config) });
  try {
    const { headers } = await send(api.outboundPort as number, '/', { host: 'worker' });
    const [far = '', near = '', ...more] = String(headers['server-timing']).split(/, (?=tulle;)/);
    expect(far).toMatch(TOLD);
    // On a connection that was not there before.
    expect(near).toMatch(/^tulle;dur=.*;desc="api outbound", .*tulle-connect;.*tulle-tls;.*tulle-upstream;/);
    expect(more).toEqual([]);
    const [farMs = 0, nearMs = 0] = [far, near].map((part) => Number(/dur=([\d.]+)/.exec(part)?.[1]));
    expect(farMs).toBeLessThan(nearMs);
  } finally {
    await api.drain();
  }
});
