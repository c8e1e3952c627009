// From a command to what is exposed and exported of it.

import { beforeEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../../test/seeded-random.ts';
import { DataStoreCommand, type DataStoreProtocol } from './datastore.ts';
import { DB_CLIENT_OPERATION_DURATION } from './datastore-exposition.ts';
import { DataStoreWatch } from './datastore-watch.ts';
import { exposeSeries } from './exposition.fixture.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { samplesOfOne } from './metric.ts';
import { takeSpans } from './own-span.fixture.ts';
import { RandomWords } from './random-words.ts';
import { Budget } from './retention/budget.ts';
import { Series } from './series.ts';
import { SpanRing } from './spans.ts';

let series: Series;
let ring: SpanRing;
let budget: Budget;

beforeEach(() => {
  series = new Series();
  ring = new SpanRing(1_024);
  budget = new Budget(OBSERVE_LIMITS.keptCommandsPerSecond);
});

function watch(protocol: DataStoreProtocol, headSampleRatio = 0, route = 'store'): DataStoreWatch {
  return new DataStoreWatch({
    series: series.dataStore(protocol, route),
    ring,
    ringOrigin: ring.addOrigin({ direction: 'outbound', route }),
    random: new RandomWords(seededRandom(1)),
    headSampleRatio,
    budget,
  });
}

/** A command that took 10 ms, unless told otherwise. */
function command(protocol: DataStoreProtocol, fields: Partial<DataStoreCommand>): DataStoreCommand {
  const times = { startedMs: 1_000, firstByteMs: 1_010, endedMs: 1_010 };
  return Object.assign(new DataStoreCommand(protocol, '10.0.0.7:6379'), times, fields);
}

async function expose(...names: string[]): Promise<string[]> {
  const text = await exposeSeries('shop', series);
  return text
    .split('\n')
    .filter((line) => names.some((name) => line.startsWith(`${name}{`)))
    .map((line) => line.replace(/service_name="shop",|,service_name="shop"/, ''));
}

const exported = () => takeSpans(ring);

describe('metrics', () => {
  test('databases: one series for what agrees in all labels, empty ones left out', async () => {
    const redis = watch('redis');
    redis.onCommand(command('redis', { operation: 'GET' }));
    redis.onCommand(command('redis', { operation: 'GET', endedMs: 1_030 }));
    redis.onCommand(command('redis', { operation: 'GET', target: 'user', statusCode: 'MOVED' }));
    redis.onCommand(command('redis', { operation: 'BLPOP', blocking: true }));
    watch('mongo').onCommand(
      command('mongo', {
        operation: 'insert',
        namespace: 'shop',
        target: 'orders',
        statusCode: '11000',
        errorType: 'DuplicateKey',
      }),
    );
    const name = 'db_client_operation_duration_seconds';
    expect(await expose(`${name}_count`, `${name}_sum`)).toEqual([
      `${name}_sum{db_system_name="redis",server_address="store",db_operation_name="GET"} 0.04`,
      `${name}_count{db_system_name="redis",server_address="store",db_operation_name="GET"} 2`,
      `${name}_sum{db_system_name="redis",server_address="store",db_operation_name="GET",redis_key_prefix="user",db_response_status_code="MOVED"} 0.01`,
      `${name}_count{db_system_name="redis",server_address="store",db_operation_name="GET",redis_key_prefix="user",db_response_status_code="MOVED"} 1`,
      `${name}_sum{db_system_name="redis",server_address="store",db_operation_name="BLPOP",blocking="true"} 0.01`,
      `${name}_count{db_system_name="redis",server_address="store",db_operation_name="BLPOP",blocking="true"} 1`,
      `${name}_sum{db_system_name="mongodb",server_address="store",db_operation_name="insert",db_namespace="shop",db_collection_name="orders",db_response_status_code="11000",error_type="DuplicateKey"} 0.01`,
      `${name}_count{db_system_name="mongodb",server_address="store",db_operation_name="insert",db_namespace="shop",db_collection_name="orders",db_response_status_code="11000",error_type="DuplicateKey"} 1`,
    ]);
  });

  test('brokers have a family of their own', async () => {
    watch('kafka').onCommand(command('kafka', { operation: 'produce', target: 'orders', batchSize: 1 }));
    expect(await expose('messaging_client_operation_duration_seconds_count')).toEqual([
      'messaging_client_operation_duration_seconds_count{messaging_system="kafka",server_address="store",messaging_operation_name="produce",messaging_operation_type="send",messaging_destination_name="orders"} 1',
    ]);
  });

  test('too many combinations share one series that says so, and the sum stays right', async () => {
    const mongo = watch('mongo');
    const count = OBSERVE_LIMITS.metricCombinationsPerStore + 10;
    for (let i = 0; i < count; i++) {
      mongo.onCommand(command('mongo', { operation: 'find', target: `c${i}` }));
    }
    const lines = await expose('db_client_operation_duration_seconds_count');
    expect(lines).toHaveLength(OBSERVE_LIMITS.metricCombinationsPerStore + 1);
    expect(lines.at(-1)).toBe(
      'db_client_operation_duration_seconds_count{db_system_name="mongodb",server_address="store",otel_metric_overflow="true"} 10',
    );
  });

  test('no store can use up what all share, and all stores together are bounded', async () => {
    const stores = 3;
    const room = 2 * OBSERVE_LIMITS.metricCombinationsPerStore;
    series = new Series(room * samplesOfOne(DB_CLIENT_OPERATION_DURATION));
    for (let store = 0; store < stores; store++) {
      const mongo = watch('mongo', 0, `store-${store}`);
      for (let i = 0; i < OBSERVE_LIMITS.metricCombinationsPerStore; i++) {
        mongo.onCommand(command('mongo', { operation: 'find', target: `c${i}` }));
      }
    }
    const lines = await expose('db_client_operation_duration_seconds_count');
    expect(lines).toHaveLength(room + 1);
    expect(lines.filter((line) => line.includes('otel_metric_overflow'))).toHaveLength(1);
  });

  test('lost sync by its reason, all reasons from the start; answers that belong to nothing', async () => {
    const redis = watch('redis');
    redis.onDesync('tls');
    redis.onDesync('tls');
    redis.onUnmatched();
    const desyncs = await expose('tulle_datastore_desync_total');
    expect(desyncs).toHaveLength(8);
    expect(desyncs.filter((line) => !line.endsWith(' 0'))).toEqual([
      'tulle_datastore_desync_total{protocol="redis",upstream="store",reason="tls"} 2',
    ]);
    expect(await expose('tulle_datastore_unmatched_total')).toEqual([
      'tulle_datastore_unmatched_total{protocol="redis",upstream="store"} 1',
    ]);
  });
});

describe('spans', () => {
  const SLOW = OBSERVE_LIMITS.slowCommandMs + 1;
  const took = (ms: number) => ({ firstByteMs: 1_000 + ms, endedMs: 1_000 + ms });

  test('what is neither sampled, slow nor failed leaves no record', () => {
    watch('redis').onCommand(command('redis', { operation: 'GET' }));
    expect(ring.recorded).toBe(0);
  });

  test.each([
    ['slow', { ...took(SLOW) }, 1],
    ['slow only because it waited for others', { ...took(SLOW), waitedMs: 50 }, 0],
    ['long because its client asked for it', { ...took(SLOW), blocking: true }, 0],
    ['failed', { errorType: 'ERR', statusCode: 'ERR' }, 1],
    ['failed while it blocked', { errorType: 'ERR', statusCode: 'ERR', blocking: true }, 1],
    ['redirected', { statusCode: 'MOVED' }, 0],
  ])('%s', (_name, fields, count) => {
    watch('redis').onCommand(command('redis', { operation: 'GET', ...fields }));
    expect(exported()).toHaveLength(count);
  });

  test('the head sample takes its share', () => {
    const redis = watch('redis', 0.25);
    for (let i = 0; i < 4_000; i++) redis.onCommand(command('redis', { operation: 'GET' }));
    expect(ring.recorded).toBeGreaterThan(800);
    expect(ring.recorded).toBeLessThan(1_200);
  });

  test('a store that is down does not fill the ring: so many in a second are kept, and again in the next', () => {
    const redis = watch('redis');
    const fail = (endedMs: number) =>
      redis.onCommand(command('redis', { operation: 'GET', errorType: 'ERR', endedMs }));
    for (let i = 0; i < 1_000; i++) fail(1_500);
    expect(ring.recorded).toBe(OBSERVE_LIMITS.keptCommandsPerSecond);
    fail(2_500);
    expect(ring.recorded).toBe(OBSERVE_LIMITS.keptCommandsPerSecond + 1);
  });

  test('a span says what its command was about, where its time went, and whether it failed', () => {
    watch('mongo').onCommand(
      command('mongo', {
        operation: 'insert',
        namespace: 'shop',
        target: 'bestellungen-ü',
        statusCode: '11000',
        errorType: 'DuplicateKey',
        errorCount: 2,
        waitedMs: 3,
        firstByteMs: 1_007,
        requestBytes: 100,
        responseBytes: 50,
      }),
    );
    const [span] = exported();
    expect(span).toMatchObject({
      name: 'insert bestellungen-ü',
      kind: 'client',
      error: true,
      parentId: null,
      startMs: 1_000,
      endMs: 1_010,
    });
    expect(span?.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(span?.attributes).toEqual({
      'db.system.name': 'mongodb',
      'db.operation.name': 'insert',
      'db.namespace': 'shop',
      'db.collection.name': 'bestellungen-ü',
      'db.response.status_code': '11000',
      'error.type': 'DuplicateKey',
      'server.address': 'store',
      'server.port': 6379,
      'network.transport': 'tcp',
      'network.peer.address': '10.0.0.7',
      'network.peer.port': 6379,
      'tulle.direction': 'outbound',
      'tulle.route': 'store',
      'tulle.upstream.endpoint': '10.0.0.7:6379',
      'tulle.error_count': 2,
      'tulle.request.bytes': 100,
      'tulle.response.bytes': 50,
      'tulle.phase.waited_ms': 3,
      'tulle.phase.server_ms': 4,
      'tulle.phase.response_ms': 3,
    });
  });

  test.each([
    ['produce', 'producer', 'send'],
    ['fetch', 'consumer', 'receive'],
    ['metadata', 'client', undefined],
  ])('kafka %s has its kind', (operation, kind, type) => {
    watch('kafka', 1).onCommand(command('kafka', { operation, target: 'orders', blocking: true }));
    const [span] = exported();
    expect(span).toMatchObject({ name: `${operation} orders`, kind });
    expect(span?.attributes['messaging.operation.type']).toBe(type);
    expect(span?.attributes['tulle.blocking']).toBe(true);
  });

  test('an earlier record in the same place leaves nothing behind', () => {
    ring = new SpanRing(1);
    const mongo = watch('mongo', 1);
    mongo.onCommand(
      command('mongo', { operation: 'find', target: 'orders', namespace: 'shop', errorType: 'x' }),
    );
    exported();
    watch('redis', 1).onCommand(command('redis', { operation: 'PING' }));
    const [span] = exported();
    expect(span?.name).toBe('PING');
    expect(span?.error).toBe(false);
    expect(span?.attributes).not.toHaveProperty('db.namespace');
  });
});
