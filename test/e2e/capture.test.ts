// Connections that netfilter redirects: in network namespaces of their own, with real iptables, the sidecar asks the kernel where each was
// meant to go.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createFolder,
  type Folder,
  openAuthority,
  sidecarConfig,
  spiffeId,
  writeIdentity,
} from './mesh-fixture.ts';
import type { Order, Outcome } from './namespace-world.ts';
import { connectNamespaces, NetworkNamespace } from './network-namespace.ts';

const SIDECAR = join(import.meta.dirname, '../../sidecar/src/main.ts');
const WORLD = join(import.meta.dirname, 'namespace-world.ts');
/** Connections of this group are the sidecar's own and not redirected, as the group of a sidecar in a pod. */
const SIDECAR_GROUP = 1337;
/** More than any answer: the end is what is waited for. */
const UNTIL_END = 1_000_000;
/** Where the sidecar outside of the pod listens: the namespace is ours alone. */
const PEER_PORT = 15_443;
const PERMISSIVE_PORT = 15_444;
const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)('captured connections (needs root, to make network namespaces)', () => {
  let folder: Folder;
  let pod: NetworkNamespace;
  let outside: NetworkNamespace;
  let inPod: World;
  let outsidePod: World;
  let sidecar: Program;
  let peer: Program;

  beforeAll(async () => {
    folder = await createFolder();
    [pod, outside] = await Promise.all([NetworkNamespace.open(), NetworkNamespace.open()]);
    await connectNamespaces(pod, outside);
    for (const family of [4, 6] as const) {
      await pod.iptables(family, `-t nat -A OUTPUT -m owner --gid-owner ${SIDECAR_GROUP} -j RETURN`);
      await pod.iptables(family, '-t nat -A OUTPUT -o lo -j RETURN');
      await pod.iptables(family, '-t nat -A OUTPUT -p tcp -j REDIRECT --to-ports 15001');
      await pod.iptables(family, '-t nat -A PREROUTING -p tcp -j REDIRECT --to-ports 15006');
    }
    // Each service of the mesh runs outside, as its endpoints do; the local service runs in the pod.
    inPod = await World.open(pod, 'http=8080', 'http=8443', 'http=8444', 'banner=2525');
    outsidePod = await World.open(outside, 'http=9000', 'echo=9001', 'banner=9002');
    const services = [
      { host: 'web', addresses: ['10.96.0.1:80', '[fd00:96::1]:80'], endpoints: ['10.0.0.1:9000'] },
      { host: 'cache', addresses: ['10.96.0.2:6379', '[fd00:96:0::2]:6379'], endpoints: ['10.0.0.1:9001'] },
      { host: 'mail', addresses: ['10.96.0.3:25'], endpoints: ['10.0.0.1:9002'] },
      { host: 'declared', protocol: 'smtp', addresses: ['10.96.0.4:25'], endpoints: ['10.0.0.1:9002'] },
    ];
    const authority = await openAuthority();
    sidecar = await startSidecar(pod, 'captures', {
      identity: await writeIdentity(folder, authority, { spiffeId: spiffeId('captures') }),
      inbound: [
        { name: 'secure', target: '127.0.0.1:8443' },
        { name: 'permissive', mtls: 'permissive', target: '127.0.0.1:8444' },
        { name: 'http', mtls: 'off', target: '127.0.0.1:8080' },
        { name: 'mail', mtls: 'off', target: '127.0.0.1:2525' },
      ],
      inboundCapture: { listen: '0.0.0.0:15006' },
      outbound: {
        listen: '127.0.0.1:0',
        // Of both families: IPv4 connections come as IPv4-mapped ones.
        capture: { listen: '[::]:15001', unknown: 'passthrough' },
        services: services.map((service) => ({ mtls: 'off', ...service })),
      },
    });
    const identity = await writeIdentity(folder, authority, { spiffeId: spiffeId('peer') });
    const toEntry = (host: string, port: number, listen: number) => ({
      ...{ host, identity: spiffeId('captures') },
      ...{ endpoints: [`10.0.0.2:${port}`], listen: `127.0.0.1:${listen}` },
    });
    const entries = [toEntry('secure', 8443, PEER_PORT), toEntry('permissive', 8444, PERMISSIVE_PORT)];
    peer = await startSidecar(outside, 'peer', {
      identity,
      outbound: { listen: '127.0.0.1:0', services: entries },
    });
  });

  afterAll(async () => {
    for (const program of [peer, sidecar, inPod, outsidePod]) await program?.stop();
    for (const namespace of [pod, outside]) await namespace?.close();
    await folder?.remove();
  });

  async function startSidecar(
    namespace: NetworkNamespace,
    name: string,
    spec: Record<string, unknown>,
    group = SIDECAR_GROUP,
  ) {
    const config = await folder.write(`${name}.yaml`, sidecarConfig(name, spec));
    return Program.start(namespace.spawnNode(SIDECAR, ['--config', config], group));
  }

  const get = (host: string): string => `GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`;

  it.each(['10.96.0.1', 'fd00:96::1'])('HTTP to %s is for the service of that address', async (host) => {
    const { received, error } = await inPod.follow({
      host,
      port: 80,
      send: get('anything.test'),
      count: UNTIL_END,
    });
    expect({ received, error }).toMatchObject({ error: '', received: expect.stringContaining('200 OK') });
    expect(received).toContain('http host=anything.test request-id=yes end');
  });

  it('HTTP with the host of a service goes there, whatever its address', async () => {
    const { received } = await inPod.follow({
      host: '10.0.0.1',
      port: 9001,
      send: get('web'),
      count: UNTIL_END,
    });
    expect(received).toContain('http host=web request-id=yes end');
  });

  it.each(['10.96.0.2', 'fd00:96::2'])('TCP to %s is for the service of that address', async (host) => {
    const outcome = await inPod.follow({ host, port: 6379, send: '*1\r\n', count: 9 });
    expect(outcome).toEqual({ received: 'echo:*1\r\n', error: '' });
  });

  it.each(['10.96.0.3', '10.96.0.4'])('a server behind %s may speak first', async (host) => {
    expect(await inPod.follow({ host, port: 25, send: '', count: 12 })).toMatchObject({
      received: '220 banner\r\n',
    });
  });

  it('what is for no service goes where it was meant to go', async () => {
    const tcp = await inPod.follow({ host: '10.0.0.1', port: 9001, send: '\x00out', count: 9 });
    expect(tcp).toEqual({ received: 'echo:\x00out', error: '' });
    const banner = await inPod.follow({ host: '10.0.0.1', port: 9002, send: '', count: 12 });
    expect(banner).toEqual({ received: '220 banner\r\n', error: '' });
    const http = await inPod.follow({
      host: '10.0.0.1',
      port: 9000,
      send: get('out.test'),
      count: UNTIL_END,
    });
    expect(http.received).toContain('http host=out.test request-id=yes end');
  });

  it('connections to the pod go to the entry of their port', async () => {
    const http = await outsidePod.follow({
      host: '10.0.0.2',
      port: 8080,
      send: get('pod.test'),
      count: UNTIL_END,
    });
    expect(http.received).toContain('http host=pod.test request-id=yes end');
    const banner = await outsidePod.follow({ host: '10.0.0.2', port: 2525, send: '', count: 12 });
    expect(banner).toEqual({ received: '220 banner\r\n', error: '' });
  });

  it('and with mTLS where the entry asks for it, by HTTP/2 or as TCP', async () => {
    const http = await outsidePod.follow({
      host: '127.0.0.1',
      port: PEER_PORT,
      send: get('pod.test'),
      count: UNTIL_END,
    });
    expect(http.received).toContain('http host=pod.test request-id=yes end');
    // Bytes that are no HTTP reach the server, which says what it thinks of them.
    const tcp = await outsidePod.follow({
      host: '127.0.0.1',
      port: PEER_PORT,
      send: '\x00\r\n\r\n',
      count: UNTIL_END,
    });
    expect(tcp.received).toMatch(/^HTTP\/1\.1 400 Bad Request\r\nConnection: close/);
    const plain = await outsidePod.follow({
      host: '10.0.0.2',
      port: 8443,
      send: get('pod.test'),
      count: UNTIL_END,
    });
    expect(plain.received).not.toContain('HTTP');
  });

  it('and with mTLS or without where the entry takes both', async () => {
    const ways = [
      { host: '127.0.0.1', port: PERMISSIVE_PORT },
      { host: '10.0.0.2', port: 8444 },
    ];
    for (const way of ways) {
      const { received } = await outsidePod.follow({ ...way, send: get('pod.test'), count: UNTIL_END });
      expect(received).toContain('http host=pod.test request-id=yes end');
    }
  });

  it('and to a port of no entry nowhere, nor to the capture itself', async () => {
    for (const port of [8081, 15006]) {
      const outcome = await outsidePod.follow({ host: '10.0.0.2', port, send: '\x00', count: 1 });
      expect(outcome, `port ${port}`).toEqual({ received: '', error: 'ECONNRESET' });
    }
    expect(await inPod.closedFor('unknown_destination', sidecar)).toBe(2);
  });

  it('with unknown: reject, what is for no service goes nowhere', async () => {
    const strict = await startSidecar(pod, 'rejects', {
      outbound: {
        listen: '127.0.0.1:0',
        capture: { listen: '127.0.0.1:15002', unknown: 'reject' },
        services: [],
      },
    });
    await pod.iptables(4, '-t nat -I OUTPUT -p tcp --dport 9001 -d 10.0.0.1 -j REDIRECT --to-ports 15002');
    const outcome = await inPod.follow({ host: '10.0.0.1', port: 9001, send: '\x00', count: 1 });
    expect(outcome).toEqual({ received: '', error: 'ECONNRESET' });
    expect(await inPod.closedFor('unknown_destination', strict)).toBe(1);
    await pod.iptables(4, '-t nat -D OUTPUT -p tcp --dport 9001 -d 10.0.0.1 -j REDIRECT --to-ports 15002');
    await strict.stop();
  });

  it.each([
    ['TCP', '\x00', { received: '', error: 'ECONNRESET' }],
    ['HTTP', 'GET / HTTP/1.1\r\nhost: loop.test\r\nconnection: close\r\n\r\n', { error: '' }],
  ])(
    'a sidecar whose own connections are captured, too, does not run in circles: %s',
    async (_, send, expected) => {
      // Its group is not the one that iptables lets through.
      const looping = await startSidecar(
        pod,
        'loops',
        { outbound: { listen: '127.0.0.1:0', capture: { listen: '127.0.0.1:15003' }, services: [] } },
        SIDECAR_GROUP + 1,
      );
      const rule = '-t nat %s OUTPUT -p tcp -d 10.0.0.1 --dport 9003 -j REDIRECT --to-ports 15003';
      await pod.iptables(4, rule.replace('%s', '-I'));
      const outcome = await inPod.follow({ host: '10.0.0.1', port: 9003, send, count: UNTIL_END });
      expect(outcome).toMatchObject(expected);
      expect(await inPod.closedFor('loop_detected', looping)).toBe(1);
      if (send !== '\x00') expect(outcome.received).toMatch(/^HTTP\/1\.1 50[0-9] .*upstream_reset/s);
      await pod.iptables(4, rule.replace('%s', '-D'));
      await looping.stop();
    },
  );
});

it('captured connections are an error at the start where the kernel cannot be asked', async () => {
  const folder = await createFolder();
  const outbound = { listen: '127.0.0.1:0', capture: { listen: '127.0.0.1:0' }, services: [] };
  const config = await folder.write('a.yaml', sidecarConfig('a', { outbound }));
  const child = spawn(process.execPath, ['--no-experimental-ffi', SIDECAR, '--config', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const output = await text(child.stderr);
  expect(output).toContain(
    'captured connections need node:ffi to ask the kernel where they were meant to go',
  );
  expect(child.exitCode ?? (await once(child, 'exit'))[0]).toBe(1);
  await folder.remove();
});

/** A child process that prints JSON lines, the first when it is ready. */
class Program {
  /** Of a sidecar, in its namespace. */
  admin = 0;
  protected readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;

  protected constructor(child: ChildProcess) {
    this.child = child;
    if (child.stdout === null) throw new Error('the program has no stdout');
    this.lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  }

  static async start(child: ChildProcess): Promise<Program> {
    const program = new Program(child);
    for (;;) {
      const line = await program.read();
      if (line.event !== 'ready') continue;
      program.admin = line.admin as number;
      return program;
    }
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }

  protected async read(): Promise<Record<string, unknown>> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error('the program ended');
    return JSON.parse(value) as Record<string, unknown>;
  }
}

/** The clients and servers of a namespace. */
class World extends Program {
  static async open(namespace: NetworkNamespace, ...servers: string[]): Promise<World> {
    const world = new World(namespace.spawnNode(WORLD, servers));
    await world.read();
    return world;
  }

  async follow(order: Order): Promise<Outcome> {
    this.child.stdin?.write(`${JSON.stringify(order)}\n`);
    return (await this.read()) as unknown as Outcome;
  }

  /** How many connections a sidecar closed for a reason. */
  async closedFor(failure: string, { admin }: Program): Promise<number> {
    const send = 'GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n';
    const { received } = await this.follow({ host: '127.0.0.1', port: admin, send, count: UNTIL_END });
    const sample = `tulle_tcp_connections_closed_total\\{[^}]*failure="${failure}"[^}]*\\} (\\d+)`;
    return Number(new RegExp(sample).exec(received)?.[1] ?? 0);
  }
}
