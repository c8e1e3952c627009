import { once } from 'node:events';
import net from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../core/clock.ts';
import { Deadlines } from '../core/deadlines.ts';
import { LIMITS } from '../core/limits.ts';
import { Batch } from './batch.ts';
import { Transport, TransportContext } from './transport.ts';

const IGNORE = { onBytes() {}, onPeerEnd() {}, onDrained() {}, onDeadline() {}, onClosed() {} };

let server: net.Server;
let peer: net.Socket;
let transport: Transport;
let received: Buffer[];

beforeEach(async () => {
  server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = net.connect({ port: (server.address() as net.AddressInfo).port, host: '127.0.0.1' });
  [[peer]] = (await Promise.all([once(server, 'connection'), once(socket, 'connect')])) as [
    [net.Socket],
    unknown,
  ];
  received = [];
  peer.on('data', (chunk: Buffer) => received.push(chunk));
  transport = new Transport(new TransportContext(systemClock, new Deadlines(systemClock)), socket, false);
  transport.handler = IGNORE;
});

afterEach(() => {
  transport.destroy();
  peer.destroy();
  server.close();
});

async function arrived(count: number): Promise<Buffer> {
  while (received.reduce((sum, { length }) => sum + length, 0) < count) await once(peer, 'data');
  return Buffer.concat(received);
}

test('what is written in one round leaves together, in order, and without being asked to', async () => {
  const batch = new Batch(transport);
  for (const word of ['one ', 'two ', 'three']) {
    batch.reserve(word.length);
    batch.append(Buffer.from(word), 0, word.length);
  }
  expect(transport.pendingBytes).toBe(0);
  expect((await arrived(13)).toString()).toBe('one two three');
  expect(received).toHaveLength(1);
  expect(batch.generation).toBe(1);
});

test('any sizes arrive whole, though one buffer does not hold them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: LIMITS.outputBufferBytes }), { maxLength: 12 }),
      async (sizes) => {
        received = [];
        const batch = new Batch(transport);
        const sent = sizes.map((size, i) => Buffer.alloc(size, i + 1));
        for (const bytes of sent) {
          batch.reserve(bytes.length);
          batch.append(bytes, 0, bytes.length);
        }
        const whole = Buffer.concat(sent);
        expect((await arrived(whole.length)).equals(whole)).toBe(true);
      },
    ),
    { numRuns: 25 },
  );
});

test('what was discarded is not sent, and an offset noted before is known to be stale', async () => {
  const batch = new Batch(transport);
  batch.reserve(3);
  const { generation } = batch;
  batch.append(Buffer.from('old'), 0, 3);
  batch.discard();
  expect(batch.generation).not.toBe(generation);
  batch.reserve(3);
  batch.append(Buffer.from('new'), 0, 3);
  expect((await arrived(3)).toString()).toBe('new');
});

test('a batch holds no buffer while there is nothing in it', async () => {
  const batch = new Batch(transport);
  batch.reserve(1);
  batch.append(Buffer.from('x'), 0, 1);
  expect(batch.bytes.length).toBe(LIMITS.outputBufferBytes);
  await arrived(1);
  expect(batch.bytes.length).toBe(0);
});
