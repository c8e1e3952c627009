// A workload is cut off within the refresh interval, on both sides of its connections, those that are open too; others go on, and it comes back when that is taken back.
import { once } from 'node:events';
import http from 'node:http';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { clientTlsOptions } from '../../sidecar/src/identity/trust.ts';
import { type Pair, startWorld, type World } from './authority-world.ts';
import { send, spiffeId } from './mesh-fixture.ts';

/** Longer than the test: nobody renews meanwhile. */
const LIFETIME_SECONDS = 600;
const PATIENCE = { timeout: 20_000, interval: 50 };

let world: World;
let agent: http.Agent;
beforeEach(async () => {
  world = await startWorld(LIFETIME_SECONDS);
  agent = new http.Agent({ keepAlive: true });
});
afterEach(async () => {
  agent.destroy();
  await world.stop();
});

const call = async ({ outbound, service }: Pair) =>
  (await send(outbound, '/', { host: service, agent })).status;

/** A connection of the client to a back sidecar that has answered once. */
async function openConnection({ inbound, service }: Pair): Promise<TLSSocket> {
  const options = clientTlsOptions(world.client.svid, spiffeId(service));
  const socket = connect({ port: inbound, host: '127.0.0.1', ALPNProtocols: ['http/1.1'], ...options });
  socket.on('error', () => {
    // It is to be cut off.
  });
  await once(socket, 'secureConnect');
  await ask(socket);
  return socket;
}

async function ask(socket: TLSSocket): Promise<void> {
  const closed = once(socket, 'close').then(() => Promise.reject(new Error('cut off')));
  socket.write('GET / HTTP/1.1\r\nhost: back\r\n\r\n');
  const [head] = await Promise.race([once(socket, 'data'), closed]);
  expect(String(head)).toMatch(/^HTTP\/1\.1 200/);
}

it('a denied id is refused by those whom it calls and by those who call it, also over open connections', {
  timeout: 90_000,
}, async () => {
  const [first, second] = world.pairs as [Pair, Pair];
  const open = await openConnection(first);
  expect([await call(first), await call(second)]).toEqual([200, 200]);

  // As caller: the client, and the sidecar in front of the second service, whose connections are open.
  await world.command('deny.ts', '--spiffe-id', spiffeId('client'));
  await world.command('deny.ts', '--spiffe-id', spiffeId(second.caller));
  await vi.waitFor(() => expect(open.destroyed).toBe(true), PATIENCE);
  await expect(openConnection(first)).rejects.toThrow(/cut off|reset|disconnected/);
  await vi.waitFor(async () => expect(await call(second)).toBe(503), PATIENCE);
  expect(await call(first)).toBe(200);

  await world.command('deny.ts', '--undo', '--spiffe-id', spiffeId(second.caller));
  await vi.waitFor(async () => expect(await call(second)).toBe(200), PATIENCE);
  await expect(openConnection(first)).rejects.toThrow(/cut off|reset|disconnected/);

  // As called one.
  await world.command('deny.ts', '--spiffe-id', spiffeId(first.service));
  await vi.waitFor(async () => expect(await call(first)).toBe(503), PATIENCE);
  expect(await call(second)).toBe(200);
});

it('a denied certificate is refused, and another one of the same id is not', {
  timeout: 90_000,
}, async () => {
  const [first] = world.pairs as [Pair, Pair];
  const open = await openConnection(first);
  const { serialNumber } = open.getCertificate() as { serialNumber: string };
  const denied = await world.command('deny.ts', '--serial-number', serialNumber);
  expect(JSON.parse(denied)).toEqual({ spiffe_ids: [], serial_numbers: [serialNumber.toLowerCase()] });
  await vi.waitFor(() => expect(open.destroyed).toBe(true), PATIENCE);
  await expect(openConnection(first)).rejects.toThrow(/cut off|reset|disconnected/);
  expect(await call(first)).toBe(200);
});
