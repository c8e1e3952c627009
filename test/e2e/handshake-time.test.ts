// The handshake of a caller is no part of a request, but the first one on its connection tells of it.
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Caller } from './access-fixture.ts';
import { type GuardedSidecar, GuardedWorker, portOf } from './guarded-worker.ts';
import { metric, until } from './tcp-fixture.ts';

const HANDSHAKES = 'tulle_downstream_tls_handshake_duration_seconds';

let mesh: GuardedWorker;
let sidecar: GuardedSidecar;
beforeAll(async () => {
  mesh = await GuardedWorker.start();
  sidecar = await mesh.guard('timed', { mtls: 'permissive' });
});
afterAll(() => mesh.close());

/** Of the requests since, whether each tells of a handshake. */
async function told(path: string, count: number): Promise<boolean[]> {
  const lines = async () => (await mesh.readLog('timed')).filter((line) => line.path === path);
  await until(async () => (await lines()).length === count);
  return (await lines()).map(({ accept_ms: acceptMs }) => Number(acceptMs ?? 0) > 0);
}

it('HTTP/2: of two streams the first', async () => {
  const port = portOf(sidecar, 'http2');
  const headers = { ':path': '/streams' };
  expect(await (await mesh.caller('api')).callStreams(port, [headers, headers])).toEqual([200, 200]);
  expect((await told('/streams', 2)).filter((tells) => tells)).toHaveLength(1);
  expect(await metric(sidecar, `${HANDSHAKES}_count`, 'listener="http2"')).toBe(1);
  expect(await metric(sidecar, `${HANDSHAKES}_sum`, 'listener="http2"')).toBeGreaterThan(0);
});

it('HTTP/1.1: of two requests the first', async () => {
  const socket = (await mesh.caller('api')).connect(portOf(sidecar, 'http1'), 'http/1.1');
  for (let i = 0; i < 2; i++) {
    socket.write('GET /kept HTTP/1.1\r\nhost: worker\r\n\r\n');
    await once(socket, 'data');
    await told('/kept', i + 1);
  }
  socket.destroy();
  expect(await told('/kept', 2)).toEqual([true, false]);
});

it('in clear there is none', async () => {
  await new Caller(null).callHttp1(portOf(sidecar, 'http1'), '/clear');
  expect(await told('/clear', 1)).toEqual([false]);
});
