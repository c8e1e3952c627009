// Kept traces travel from sidecar to sidecar by the control plane, which has a sidecar of its own: mTLS on every way.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Authority } from '../../mesh/ca/authority.ts';
import { issueSvid } from '../../mesh/ca/issue-svid.ts';
import { type ControlServer, startControlServer } from '../../mesh/control/server.ts';
import { TraceQuestions } from '../../mesh/control/trace-questions.ts';
import { TraceSharing } from '../../mesh/control/trace-sharing.ts';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import { systemClock } from '../../sidecar/src/core/clock.ts';
import type { Svid } from '../../sidecar/src/identity/svid.ts';
import { clientTlsOptions } from '../../sidecar/src/identity/trust.ts';
import { RandomWords } from '../../sidecar/src/observe/random-words.ts';
import { Retention } from '../../sidecar/src/observe/retention/retention.ts';
import { TraceStream } from '../../sidecar/src/observe/retention/trace-stream.ts';
import {
  createFolder,
  type Folder,
  openAuthority,
  sidecarConfig,
  spiffeId,
  writeIdentity,
} from '../e2e/mesh-fixture.ts';
import { until } from '../e2e/tcp-fixture.ts';

const CONTROL = spiffeId('control');
const random = new RandomWords(Math.random);
const questions = new TraceQuestions(systemClock);

let folder: Folder;
let authority: Authority;
let traces: TraceSharing;
let server: ControlServer;
let sidecar: Sidecar;
let streams: TraceStream[];
let events: string[];

beforeEach(async () => {
  folder = await createFolder();
  authority = await openAuthority();
  streams = [];
  events = [];
  traces = new TraceSharing(systemClock, () => random.next());
  server = await startControlServer({ host: '127.0.0.1', port: 0 }, traces, questions);
  const identity = await writeIdentity(folder, authority, { spiffeId: CONTROL });
  const inbound = [
    { name: 'grpc', listen: '127.0.0.1:0', protocol: 'grpc', target: `127.0.0.1:${server.port}` },
  ];
  const configPath = await folder.write('control.yaml', sidecarConfig('control', { identity, inbound }));
  sidecar = await startSidecar({ configPath, lastGoodPath: null });
});

afterEach(async () => {
  for (const stream of streams) stream.close();
  await server.stop();
  traces.close();
  await sidecar.drain();
  await folder.remove();
});

const controlAddress = () => ({ host: '127.0.0.1', port: sidecar.inboundPorts.grpc ?? 0 });

async function join(service: string, { expected = CONTROL, issuer = authority } = {}) {
  const heard: string[] = [];
  const svid: Svid = await issueSvid(issuer, { spiffeId: spiffeId(service) });
  const retention = new Retention({ slowShare: 0 }, [], {
    clock: systemClock,
    random: () => random.next(),
  });
  const keepTold = retention.keepTold.bind(retention);
  retention.keepTold = (ids) => {
    heard.push(ids.toString('hex'));
    keepTold(ids);
  };
  const stream = new TraceStream(controlAddress(), retention, {
    clock: systemClock,
    random: Math.random,
    tlsOptions: () => clientTlsOptions(svid, expected),
    find: () => null,
    report: (event, { reason = '' }) => events.push(`${event} ${reason}`),
  });
  streams.push(stream);
  return { stream, retention, heard };
}

const ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const tell = ({ retention }: { retention: Retention }, id: string) =>
  retention.onKept?.(Buffer.from(id, 'hex'));

test('what one sidecar keeps the others hear', async () => {
  const [one, two, three] = await Promise.all([join('one'), join('two'), join('three')]);
  await until(() => [one, two, three].every(({ stream }) => stream.connected));
  tell(one, ID);
  await until(() => two.heard.length > 0 && three.heard.length > 0);
  expect([one.heard, two.heard, three.heard]).toEqual([[], [ID], [ID]]);
});

test('a new certificate makes a new stream, and nothing is missed', async () => {
  const [one, two] = await Promise.all([join('one'), join('two')]);
  await until(() => one.stream.connected && two.stream.connected);
  two.stream.renew();
  await until(() => traces.subscribers === 2);
  tell(one, ID);
  await until(() => two.heard.length > 0);
  expect(events).toEqual([]);
});

test('a stream that was lost comes back, and what could not be told meanwhile is counted', async () => {
  const [one, two] = await Promise.all([join('one'), join('two')]);
  await until(() => one.stream.connected && two.stream.connected);
  const { port } = server;
  await server.stop();
  await until(() => !one.stream.connected && !two.stream.connected);
  tell(one, ID);
  expect(one.retention.untold).toBe(1);
  server = await startControlServer({ host: '127.0.0.1', port }, traces, questions);
  await until(() => one.stream.connected && two.stream.connected);
  tell(one, 'f'.repeat(32));
  await until(() => two.heard.length > 0);
  expect(two.heard).toEqual(['f'.repeat(32)]);
  expect(events.some((event) => event.startsWith('trace_stream_lost'))).toBe(true);
  expect(events.some((event) => event.startsWith('trace_stream_opened'))).toBe(true);
});

test.each([
  [
    'somebody else than the control plane',
    /expected .*other/,
    async () => join('one', { expected: spiffeId('other') }),
  ],
  [
    'a control plane of another trust domain',
    /certificate/,
    async () => join('one', { issuer: await openAuthority() }),
  ],
])('nothing is told to %s', async (_who, reason, start) => {
  const { stream, retention } = await start();
  await until(() => events.length > 0);
  expect(events[0]).toMatch(reason);
  tell({ retention }, ID);
  await sleep(50);
  expect(stream.connected).toBe(false);
  expect(retention.untold).toBe(1);
  expect(traces.subscribers).toBe(0);
});
