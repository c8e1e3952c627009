/** The whole of it: a real authority process, certificates that live for seconds, connections that outlive them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { JoinTokens } from '../../../mesh/ca/join-tokens.ts';
import { systemClock } from '../core/clock.ts';
import { NOBODY_DENIED } from './deny-list.ts';
import { type Identity, type IdentityEvent, startIdentity } from './identity.ts';
import { NO_FOREIGN_ROOTS } from './svid.ts';
import { clientTlsOptions, peerSpiffeId, serverTlsOptions } from './trust.ts';

const TRUSTED = { denied: NOBODY_DENIED, foreign: NO_FOREIGN_ROOTS, rootsPem: '' };
const MAIN = join(import.meta.dirname, '../../../mesh/ca/main.ts');
const CLIENT = 'spiffe://a.test/ns/b/sa/client';
const SERVER = 'spiffe://a.test/ns/b/sa/server';
const TTL_SECONDS = 6;
const PATIENCE = { timeout: 20_000, interval: 20 };

let folder: string;
let authority: ChildProcess | null;
let identities: Identity[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-rotation-'));
  authority = null;
  identities = [];
});

afterEach(async () => {
  for (const identity of identities) identity.stop();
  await stopAuthority();
  await rm(folder, { recursive: true });
});

/** Returns the port; a second start on the same port continues with the same root. */
async function startAuthority(port = 0): Promise<number> {
  const config = {
    trustDomain: 'a.test',
    listen: `127.0.0.1:${port}`,
    stateDir: 'state',
    passphraseFile: 'passphrase',
    svidTtlSeconds: TTL_SECONDS,
  };
  const file = join(folder, 'ca.yaml');
  await writeFile(join(folder, 'passphrase'), 'long enough for a passphrase', { mode: 0o600 });
  await writeFile(file, JSON.stringify(config));
  authority = spawn(process.execPath, [MAIN, '--config', file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: authority.stdout as NodeJS.ReadableStream });
  const [line] = await once(lines, 'line');
  lines.resume();
  const ready = JSON.parse(line);
  expect(ready).toEqual({ event: 'ready', port: expect.any(Number), adminPort: expect.any(Number) });
  return ready.port;
}

/** The exit code. */
async function stopAuthority(): Promise<number | null> {
  if (authority === null) return null;
  const exited = once(authority, 'exit');
  authority.kill('SIGTERM');
  authority = null;
  return (await exited)[0];
}

async function writeToken(spiffeId: string): Promise<string> {
  const file = join(folder, `token-of-${spiffeId.split('/').at(-1)}`);
  await writeFile(file, await new JoinTokens(join(folder, 'state')).create(spiffeId, 60));
  return file;
}

async function joinMesh(
  spiffeId: string,
  port: number,
): Promise<{ identity: Identity; events: IdentityEvent[] }> {
  const tokenFile = await writeToken(spiffeId);
  const source = {
    kind: 'authority',
    url: `https://127.0.0.1:${port}`,
    rootsFile: join(folder, 'state/roots.pem'),
    evidence: { kind: 'join-token', file: tokenFile },
    stateDir: null,
    foreignTrustDomains: [],
  } as const;
  const events: IdentityEvent[] = [];
  const report = (event: IdentityEvent) => events.push(event);
  const identity = await startIdentity(
    { trustDomain: 'a.test', minTlsVersion: 'TLSv1.3', source },
    { clock: systemClock, random: Math.random, report },
  );
  identities.push(identity);
  return { identity, events };
}

/** Echoes, under an identity that rotates. */
async function startEcho(identity: Identity): Promise<{ server: Server; port: number }> {
  const server = createServer(serverTlsOptions(identity.svid), (socket) => {
    expect(peerSpiffeId(socket, TRUSTED)).toBe(CLIENT);
    socket.pipe(socket);
  });
  identity.onRotated((svid) => server.setSecureContext(serverTlsOptions(svid)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

async function open(port: number, identity: Identity): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', ...clientTlsOptions(identity.svid, SERVER) });
  await once(socket, 'secureConnect');
  return socket;
}

async function echo(socket: TLSSocket, text: string): Promise<void> {
  socket.write(text);
  const [answer] = await once(socket, 'data');
  expect(String(answer)).toBe(text);
}

describe('an identity from a real authority', () => {
  it('rotates past its first expiry and drops nothing: old connections go on, new ones show the new SVID', async () => {
    const authorityPort = await startAuthority();
    const client = await joinMesh(CLIENT, authorityPort);
    const service = await joinMesh(SERVER, authorityPort);
    const first = [client.identity.svid, service.identity.svid];
    const { server, port } = await startEcho(service.identity);
    const old = await open(port, client.identity);

    const serials = new Set<string>();
    let exchanges = 0;
    const expiredMs = Math.max(...first.map((svid) => svid.notAfterMs));
    while (Date.now() < expiredMs + 1_000 || serials.size < 3) {
      await echo(old, `old ${exchanges}`);
      const fresh = await open(port, client.identity);
      await echo(fresh, `fresh ${exchanges}`);
      serials.add(fresh.getPeerCertificate().serialNumber);
      fresh.destroy();
      exchanges += 1;
      await sleep(25);
    }

    expect(exchanges).toBeGreaterThan(50);
    for (const { events } of [client, service]) {
      expect(events.length).toBeGreaterThanOrEqual(2);
      expect(events.every(({ kind }) => kind === 'rotated')).toBe(true);
    }
    old.destroy();
    server.close();
  });

  it('keeps the last good SVID while the authority is down, and renews when it is back', async () => {
    const authorityPort = await startAuthority();
    const client = await joinMesh(CLIENT, authorityPort);
    const service = await joinMesh(SERVER, authorityPort);
    const { server, port } = await startEcho(service.identity);
    expect(await stopAuthority()).toBe(0);

    const before = client.identity.svid;
    await vi.waitFor(() => expect(client.events).not.toEqual([]), PATIENCE);
    expect(client.events[0]).toMatchObject({
      kind: 'renewal_failed',
      reason: expect.stringContaining('ECONNREFUSED'),
    });
    expect(client.identity.svid).toBe(before);
    const during = await open(port, client.identity);
    await echo(during, 'still works');

    // On a slow machine the SVIDs may end before the authority is back; then it takes other tokens.
    for (const spiffeId of [CLIENT, SERVER]) await writeToken(spiffeId);
    await startAuthority(authorityPort);
    await vi.waitFor(() => expect(client.identity.svid).not.toBe(before), PATIENCE);
    await vi.waitFor(() => expect(service.events.at(-1)?.kind).toBe('rotated'), PATIENCE);
    const after = await open(port, client.identity);
    await echo(after, 'works again');
    await echo(during, 'and the old one still');
    for (const socket of [during, after]) socket.destroy();
    server.close();
  });

  it('waits for an authority that starts after the sidecar', async () => {
    const port = await startAuthority();
    await stopAuthority();
    const starting = joinMesh(CLIENT, port);
    await startAuthority(port);
    const { identity, events } = await starting;
    expect(identity.svid.spiffeId).toBe(CLIENT);
    expect(events[0]).toMatchObject({ kind: 'start_delayed' });
  });
});
