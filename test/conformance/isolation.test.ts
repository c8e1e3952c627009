// No byte of one exchange in another: thousands of echoes at once, each with a pattern of its own that is checked to the byte, among slow
// readers and callers that break off. Through one sidecar, where shared read and output buffers could mix them up, and through two that
// share a few connections of HTTP/2 with mTLS, where streams and what waits for their windows could.
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startSidecar } from '../../sidecar/src/app.ts';
import { throughTwoSidecars } from '../protocols/sidecar-pair.ts';
import type { Stand } from '../protocols/stand.ts';
import { seededRandom } from '../seeded-random.ts';

const AT_ONCE = 96;
/** Mostly small, some beyond one read, a few beyond the high-water mark. */
const SIZES = [0, 1, 17, 300, 1_024, 5_000, 66_000, 700_000];
const LARGE_SHARE = 0.03;

const TOPOLOGIES = [
  { name: 'one sidecar', exchanges: 20_000, open: throughOneSidecar },
  {
    name: 'two sidecars with mTLS',
    exchanges: 10_000,
    open: throughTwoSidecars({ mtls: 'strict', protocol: 'http' }),
  },
] as const;

let origin: http.Server;

beforeAll(async () => {
  origin = http.createServer((request, response) => {
    // Sent back as it comes, so that both directions flow at once; the framing of the answer follows that of the request.
    const length = request.headers['content-length'];
    response.writeHead(200, length === undefined ? {} : { 'content-length': length });
    request.pipe(response);
    request.on('error', () => response.destroy());
  });
  origin.keepAliveTimeout = 60_000;
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
});

afterAll(() => {
  origin.closeAllConnections();
  origin.close();
});

it.each(TOPOLOGIES)(
  'keeps thousands of concurrent echoes apart: $name',
  { timeout: 120_000 },
  async (topology) => {
    const { exchanges, open } = topology;
    const { port, stop } = await open((origin.address() as AddressInfo).port);
    const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE });
    const seen = { checked: 0, aborted: 0, slow: 0 };
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < exchanges) await exchange(agent, port, next++, seen);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    agent.destroy();
    await stop();
    expect(seen.checked + seen.aborted).toBe(exchanges);
    expect(seen.aborted).toBeGreaterThan(exchanges / 100);
    expect(seen.slow).toBeGreaterThan(exchanges / 100);
  },
);

interface Seen {
  checked: number;
  aborted: number;
  slow: number;
}

/** One echo. Its number decides size, framing and manners, so that a failure can be repeated. */
async function exchange(agent: http.Agent, port: number, number: number, seen: Seen): Promise<void> {
  const random = seededRandom(number);
  const small = random() > LARGE_SHARE;
  const size = SIZES[Math.floor(random() * (small ? SIZES.length - 2 : SIZES.length))] as number;
  const body = pattern(number, size);
  const chunked = random() < 0.5;
  const aborts = random() < 0.05;
  const readsSlowly = !aborts && random() < 0.05;
  const request = http.request({
    agent,
    host: '127.0.0.1',
    port,
    method: 'POST',
    path: `/echo/${number}`,
    headers: chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': size },
  });
  if (aborts) {
    seen.aborted++;
    request.on('error', () => {});
    request.on('response', (response) => response.on('error', () => {}).destroy());
    request.write(body.subarray(0, Math.ceil(size / 2)));
    await sleep(random() * 3);
    request.destroy();
    return;
  }
  request.end(body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const received: Buffer[] = [];
  for await (const chunk of response) {
    received.push(chunk as Buffer);
    if (readsSlowly) await sleep(1);
  }
  if (readsSlowly) seen.slow++;
  seen.checked++;
  const echoed = Buffer.concat(received);
  // Compared as a whole first: a readable failure matters only when there is one.
  if (response.statusCode !== 200 || !echoed.equals(body)) {
    const at = echoed.findIndex((byte, i) => byte !== body[i]);
    expect.fail(
      `echo ${number}: status ${response.statusCode}, ${echoed.length} of ${size} bytes, differs at ${at}`,
    );
  }
}

/** Bytes that no other exchange has at the same place. */
function pattern(number: number, size: number): Buffer {
  const words = new Uint32Array(Math.ceil(size / 4));
  const random = seededRandom(number ^ 0x5bd1e995);
  for (let i = 0; i < words.length; i++) words[i] = random() * 0x1_0000_0000;
  return Buffer.from(words.buffer, 0, size);
}

async function throughOneSidecar(target: number): Promise<Stand> {
  const folder = await mkdtemp(join(tmpdir(), 'tulle-isolation-'));
  const configPath = join(folder, 'sidecar.yaml');
  await writeFile(configPath, configFor(target));
  const sidecar = await startSidecar({ configPath });
  return {
    port: sidecar.inboundPorts.http as number,
    async stop() {
      await sidecar.drain();
      await rm(folder, { recursive: true });
    },
  };
}

function configFor(target: number): string {
  return JSON.stringify({
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind: 'Sidecar',
    metadata: { name: 'isolation' },
    spec: {
      service: 'isolation',
      admin: { listen: '127.0.0.1:0' },
      inbound: [{ name: 'http', listen: '127.0.0.1:0', mtls: 'off', target: `127.0.0.1:${target}` }],
      telemetry: { accessLog: 'off' },
    },
  });
}
