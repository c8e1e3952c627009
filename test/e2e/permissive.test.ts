// A listener that takes mTLS and what is spoken in clear, told apart by the first byte.
import { once } from 'node:events';
import type net from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sidecar } from '../../sidecar/src/app.ts';
import { Caller, PROTOCOLS } from './access-fixture.ts';
import { API, GuardedWorker, portOf } from './guarded-worker.ts';
import { Client, metric, until } from './tcp-fixture.ts';

const DAY_MS = 24 * 3_600_000;

let mesh: GuardedWorker;
beforeAll(async () => {
  mesh = await GuardedWorker.start();
});
afterAll(() => mesh.close());

const stranger = new Caller(null);
const plaintext = (sidecar: Sidecar, listener: string): Promise<number> =>
  metric(sidecar, 'tulle_downstream_plaintext_connections_total', `listener="${listener}"`);

describe('under a policy', () => {
  let sidecar: Sidecar;
  beforeAll(async () => {
    const rules = [
      { name: 'api', action: 'allow', from: { identities: [API] } },
      { name: 'probes', action: 'allow', to: { paths: ['/healthz'], ports: [mesh.worker.origin.port] } },
    ];
    sidecar = await mesh.guard('permissive', { rules, mtls: 'permissive' });
  });
  const open = (entry: string): net.Socket => stranger.connect(portOf(sidecar, entry), null);

  it.each(PROTOCOLS)('mTLS is taken over %s as ever', async (protocol) => {
    expect(await (await mesh.caller('api')).call(protocol, portOf(sidecar, protocol))).toBe('served');
    const expired = await mesh.caller('api', { validFromMs: Date.now() - DAY_MS });
    expect(await expired.call(protocol, portOf(sidecar, protocol))).toBe('closed');
  });

  it.each(PROTOCOLS)('what comes in clear over %s comes from nobody', async (protocol) => {
    const fate = await stranger.call(protocol, portOf(sidecar, protocol));
    expect(fate).toBe(protocol === 'tcp' ? 'closed' : 'denied');
  });

  it('what needs no identity is served in clear, and counted', async () => {
    const before = await plaintext(sidecar, 'http1');
    expect(await stranger.callHttp1(portOf(sidecar, 'http1'), '/healthz')).toBe('served');
    expect(await (await mesh.caller('api')).callHttp1(portOf(sidecar, 'http1'))).toBe('served');
    expect(await plaintext(sidecar, 'http1')).toBe(before + 1);
  });

  it('nobody who has proved nothing is believed about callers before it', async () => {
    const headers = {
      'x-forwarded-for': '192.0.2.1',
      'x-request-id': 'mine',
      'x-forwarded-client-cert': API,
    };
    const port = portOf(sidecar, 'http1');
    const seen = async (who: Caller) =>
      JSON.parse(String((await who.request(port, '/healthz', headers)).headers['x-seen']));
    const plain = await seen(stranger);
    expect(plain).toMatchObject({ 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http' });
    expect(plain).not.toHaveProperty('x-forwarded-client-cert');
    expect(plain['x-request-id']).not.toBe('mine');
    const proven = await seen(await mesh.caller('api'));
    expect(proven).toMatchObject({ 'x-forwarded-for': '192.0.2.1, 127.0.0.1', 'x-request-id': 'mine' });
    expect(proven['x-forwarded-client-cert']).toContain(`URI=${API}`);
  });

  it('a request may come in any pieces', async () => {
    const socket = open('http1');
    const body = 'x'.repeat(300_000);
    socket.write('P');
    await sleep(20);
    const head = `host: worker\r\nconnection: close\r\ncontent-length: ${body.length}`;
    socket.write(`OST /healthz HTTP/1.1\r\n${head}\r\n\r\n${body}`);
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1.1 200/);
    expect(answer.split('\r\n\r\n').slice(1).join('')).toContain('x'.repeat(1_000));
    expect(answer.replaceAll(/[^x]/g, '').length).toBeGreaterThanOrEqual(body.length);
  });

  it('a client may close its side behind its request', async () => {
    const client = new Client(portOf(sidecar, 'http1'));
    client.socket.end('GET /healthz HTTP/1.1\r\nhost: worker\r\n\r\n');
    await until(() => client.ended);
    // Behind the 100 by which the sidecar finds out whether it still listens.
    expect(client.text).toMatch(/^HTTP\/1.1 200/m);
  });

  it('a handshake may come in any pieces, and one that stops is given up', async () => {
    const failures = () =>
      metric(sidecar, 'tulle_downstream_tls_failures_total', '"http1"', 'reason="timeout"');
    const before = await failures();
    const socket = open('http1');
    socket.write(Buffer.from([0x16]));
    await sleep(20);
    socket.write(Buffer.from([0x03, 0x01, 0x02]));
    await until(() => socket.closed);
    expect(await failures()).toBe(before + 1);
  });

  it('who says nothing is closed, and who only closes its side too', async () => {
    const silent = open('http1');
    await until(() => silent.closed);
    const ended = open('http1');
    ended.end();
    await until(() => ended.closed);
  });
});

describe('without a policy', () => {
  it('TCP passes in clear both ways, end and all', async () => {
    const sidecar = await mesh.guard('permissive-open', { mtls: 'permissive' });
    const client = new Client(portOf(sidecar, 'tcp'));
    client.socket.end('hello');
    await until(() => client.ended);
    expect(client.text).toBe('hello');
    expect(await (await mesh.caller('api')).call('tcp', portOf(sidecar, 'tcp'))).toBe('served');
    expect(await plaintext(sidecar, 'tcp')).toBe(1);
  });

  it('a drain does not wait for who says nothing', async () => {
    const sidecar = await mesh.guard('permissive-drain', { mtls: 'permissive' });
    const silent = stranger.connect(portOf(sidecar, 'http1'), null);
    await once(silent, 'connect');
    await sidecar.drain();
    await until(() => silent.closed);
  });
});
