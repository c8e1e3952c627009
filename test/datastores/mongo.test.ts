// The MongoDB driver, unchanged, through a real sidecar to a server that speaks MongoDB's wire protocol.
import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Span } from '../../mesh/cli/trace/span.ts';
import { until } from '../e2e/tcp-fixture.ts';
import { type MongoWire, startMongoWire } from '../parts/mongo-wire.ts';
import { runMongoSession } from './mongo-session.ts';
import { counts, desyncs, type Observed, observe } from './observed.ts';

let mongo: MongoWire;
let observed: Observed;

beforeAll(async () => {
  mongo = await startMongoWire();
});
afterEach(() => observed.close());
afterAll(() => mongo.stop());

test('a session with everything in it stays in sync, and is counted by command and collection', async () => {
  observed = await observe('mongo', mongo.port);
  await runMongoSession(observed.port);
  expect(await desyncs(observed)).toEqual([]);
  const counted = await counts(observed, 'db_client_operation_duration_seconds');
  // Servers may name the code of a write, or not.
  const duplicates = ['insert orders !DuplicateKey', 'insert orders !11000'].map((key) => counted[key] ?? 0);
  expect(duplicates.reduce((sum, count) => sum + count)).toBe(2);
  expect(counted).toMatchObject({
    'insert orders': 1,
    'find orders': 22,
    'getMore orders': 2,
    'update orders': 1,
    'aggregate orders': 1,
    'delete orders': 1,
    'insert users': 1,
    'find users': 1,
    'drop users': 1,
    '_OTHER !CommandNotFound': 1,
    ping: 1,
  });
  await observed.drain();
  const failed = observed.spans.filter(({ name, error }) => name === 'insert orders' && error);
  const [bulk] = failed.filter(({ attributes }) => attributes.get('tulle.error_count') === 2);
  expect(bulk?.kind).toBe('client');
  expect(Object.fromEntries(bulk?.attributes ?? [])).toMatchObject({
    'db.system.name': 'mongodb',
    'db.operation.name': 'insert',
    'db.namespace': 'shop',
    'db.collection.name': 'orders',
    'db.response.status_code': '11000',
    'server.address': 'store',
  });
  // No values: neither of documents nor of filters.
  const everything = JSON.stringify(observed.spans.map((span) => [span.name, ...span.attributes]));
  for (const secret of ['xxx', 'zzz', '_id', 'note', 'frobnicate']) expect(everything).not.toContain(secret);
});

async function clientBytes(): Promise<number> {
  return (await observed.samples('tulle_tcp_client_bytes_total')).reduce((sum, { value }) => sum + value, 0);
}

test.skipIf(process.env.MONGO_URL)('the span that is kept names the command that was slow', async () => {
  observed = await observe('mongo', mongo.port, 0);
  const client = new MongoClient(`mongodb://127.0.0.1:${observed.port}/?directConnection=true`, {
    heartbeatFrequencyMS: 60_000,
  });
  const invoices = client.db('shop').collection('invoices');
  try {
    await invoices.insertOne({ a: 1 });
    const passedBefore = await clientBytes();
    process.kill(mongo.pid as number, 'SIGSTOP');
    const found = invoices.findOne({ a: 1 });
    await until(async () => (await clientBytes()) > passedBefore);
    await sleep(200);
    process.kill(mongo.pid as number, 'SIGCONT');
    await found;
    await invoices.countDocuments({});
    await until(() => observed.spans.some(({ name }) => name === 'find invoices'));
  } finally {
    process.kill(mongo.pid as number, 'SIGCONT');
    await client.close();
  }
  await observed.drain();
  // Setting up can be slow as well, where machines are.
  const kept = observed.spans.filter(({ attributes }) => attributes.has('db.collection.name'));
  expect(kept.map(({ name }) => name)).toContain('find invoices');
  const [span] = kept.filter(({ name }) => name === 'find invoices') as [Span];
  expect(Number(span.attributes.get('tulle.phase.server_ms'))).toBeGreaterThan(100);
  expect(span.error).toBe(false);
});
