// Flow control as the peer sees it: a client that opens and closes its windows at random, and changes its settings meanwhile, must get
// every body whole and in order, and never a byte more than it allowed.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  FLAG_ACK,
  FLAG_END_STREAM,
  FRAME_DATA,
  FRAME_SETTINGS,
  PREFACE,
  SETTINGS_INITIAL_WINDOW_SIZE,
} from './frame.ts';
import { type Hop, openHop } from './hop.fixture.ts';
import { type Field, headers, RawPeer, settings, windowUpdate } from './raw-peer.fixture.ts';

const CONNECTION_WINDOW = 65_535;
const ALL = 16_000_000;

let origin: http.Server;
let hop: Hop;

beforeAll(async () => {
  origin = http.createServer((request, response) => {
    const [, name, size] = (request.url ?? '').split('/');
    response.end(pattern(Number(name), Number(size)));
  });
  await new Promise((resolve) => origin.listen(0, '127.0.0.1', () => resolve(null)));
  const { port } = origin.address() as AddressInfo;
  hop = await openHop({ downstream: 'http2', upstream: 'http1', upstreamPort: port });
});

afterAll(async () => {
  await hop.close();
  origin.closeAllConnections();
  origin.close();
});

const step = fc.oneof(
  fc.record({
    kind: fc.constant('stream' as const),
    which: fc.nat(9),
    size: fc.integer({ min: 1, max: 90_000 }),
  }),
  fc.record({
    kind: fc.constant('connection' as const),
    which: fc.nat(0),
    size: fc.integer({ min: 1, max: 90_000 }),
  }),
  // Below what was sent already, windows become negative.
  fc.record({
    kind: fc.constant('settings' as const),
    which: fc.nat(0),
    size: fc.integer({ min: 0, max: 90_000 }),
  }),
);

test('nothing is sent beyond the windows, and everything arrives', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 70_000 }),
      fc.array(fc.integer({ min: 0, max: 200_000 }), { minLength: 1, maxLength: 8 }),
      fc.array(step, { maxLength: 25 }),
      async (initialWindow, sizes, steps) => {
        const client = await Client.open(initialWindow);
        for (const size of sizes) client.ask(size);
        for (const { kind, which, size } of steps) {
          if (kind === 'stream') client.allow(1 + 2 * (which % sizes.length), size);
          else if (kind === 'connection') client.allow(0, size);
          else client.setInitialWindow(size);
          await client.peer.settle();
          client.check();
        }
        client.setInitialWindow(ALL);
        client.allow(0, ALL);
        await client.end();
      },
    ),
    { numRuns: 30 },
  );
});

test('who waits for the connection is served in turn', async () => {
  const client = await Client.open(ALL);
  for (let i = 0; i < 8; i++) client.ask(1_000_000);
  await client.peer.settle();
  for (let i = 0; i < 24; i++) {
    client.allow(0, 65_536);
    await client.peer.settle();
  }
  const received = Array.from({ length: 8 }, (_, i) => client.peer.body(1 + 2 * i).length);
  expect(Math.min(...received)).toBeGreaterThanOrEqual(65_536);
  client.allow(0, ALL);
  await client.end();
});

/** Counts what it allows: increases from when they are sent, decreases from when they are acknowledged. */
class Client {
  readonly peer: RawPeer;
  private readonly sizes = new Map<number, number>();
  private readonly windows = new Map<number, number>([[0, CONNECTION_WINDOW]]);
  private initialWindow: number;
  /** Decreases of the initial window that are not acknowledged yet, for each settings frame. */
  private readonly unacknowledged: number[] = [0];
  private checked = 0;

  private constructor(peer: RawPeer, initialWindow: number) {
    this.peer = peer;
    this.initialWindow = initialWindow;
  }

  static async open(initialWindow: number): Promise<Client> {
    const opening = Buffer.concat([PREFACE, settings([SETTINGS_INITIAL_WINDOW_SIZE, initialWindow])]);
    return new Client(await RawPeer.connect(hop.port, opening), initialWindow);
  }

  ask(size: number): void {
    const streamId = 1 + 2 * this.sizes.size;
    this.sizes.set(streamId, size);
    this.windows.set(streamId, this.initialWindow);
    const fields: Field[] = [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':authority', 'a.test'],
      [':path', `/${streamId}/${size}`],
    ];
    this.peer.send(headers(streamId, fields, FLAG_END_STREAM));
  }

  allow(streamId: number, size: number): void {
    this.windows.set(streamId, (this.windows.get(streamId) as number) + size);
    this.peer.send(windowUpdate(streamId, size));
  }

  setInitialWindow(size: number): void {
    const change = size - this.initialWindow;
    this.initialWindow = size;
    if (change > 0) this.changeAll(change);
    this.unacknowledged.push(Math.min(change, 0));
    this.peer.send(settings([SETTINGS_INITIAL_WINDOW_SIZE, size]));
  }

  check(): void {
    for (; this.checked < this.peer.frames.length; this.checked++) {
      const { type, flags, streamId, payload } = this.peer.frames[this.checked] as RawPeer['frames'][number];
      if (type === FRAME_SETTINGS && (flags & FLAG_ACK) !== 0) {
        this.changeAll(this.unacknowledged.shift() ?? 0);
      } else if (type === FRAME_DATA && payload.length > 0) {
        for (const id of [0, streamId]) {
          const left = (this.windows.get(id) as number) - payload.length;
          expect(left, `window of stream ${id}`).toBeGreaterThanOrEqual(0);
          this.windows.set(id, left);
        }
      }
    }
  }

  async end(): Promise<void> {
    const ids = [...this.sizes.keys()];
    await this.peer.until(() => ids.every((id) => this.peer.isComplete(id)), 'the end of all bodies');
    this.check();
    for (const [id, size] of this.sizes) {
      expect(this.peer.status(id)).toBe(200);
      expect(this.peer.body(id).equals(pattern(id, size)), `body of stream ${id}`).toBe(true);
    }
    this.peer.destroy();
  }

  private changeAll(change: number): void {
    for (const [id, window] of this.windows) if (id !== 0) this.windows.set(id, window + change);
  }
}

function pattern(name: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 7 + name * 31 + (i >> 8)) & 0xff;
  return bytes;
}
