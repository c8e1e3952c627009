// Kafka clients, unchanged, through a real sidecar to a real broker: kafkajs, and Kafka's own Java tools, whose newest requests name
// topics by ids.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Kafka, startKafka } from '../parts/kafka.ts';
import { findFreePort } from '../parts/part.ts';
import { runKafkaSession } from './kafka-session.ts';
import { counts, desyncs, type Observed, observe } from './observed.ts';

const RECORDS = 200;
let kafka: Kafka;
let observed: Observed;

beforeAll(async () => {
  // The broker tells clients where to go, and that has to be the sidecar: who of the two is first must know the other's port.
  const port = await findFreePort();
  observed = await observe('kafka', port);
  kafka = await startKafka({ port, advertisedPort: observed.port });
});
afterAll(async () => {
  await observed?.close();
  await kafka?.stop();
});

test('sessions stay in sync, and are counted by request and topic', async () => {
  await runKafkaSession(observed.port);
  const broker = ['--bootstrap-server', `127.0.0.1:${observed.port}`];
  await kafka.runTool('org.apache.kafka.tools.ProducerPerformance', [
    ...broker,
    ...[
      '--topic',
      'invoices',
      '--num-records',
      String(RECORDS),
      '--record-size',
      '100',
      '--throughput',
      '-1',
    ],
  ]);
  const consumed = await kafka.runTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
    ...broker,
    ...['--topic', 'invoices', '--from-beginning', '--max-messages', String(RECORDS)],
  ]);
  expect(consumed.trim().split('\n')).toHaveLength(RECORDS);

  expect(await desyncs(observed)).toEqual([]);
  const counted = await counts(observed, 'messaging_client_operation_duration_seconds');
  expect(counted).toMatchObject({
    // One more to two topics; and one that asked for no acknowledgement, which has no duration.
    'produce orders': 1,
    'produce (several)': 1,
    'produce invoices': expect.any(Number),
    'fetch orders blocking': expect.any(Number),
    'fetch invoices blocking': expect.any(Number),
    create_topics: 1,
    'join_group blocking': expect.any(Number),
    offset_commit: expect.any(Number),
  });
  expect(counted['produce payments']).toBeUndefined();

  await observed.drain();
  const produce = observed.spans.find(({ name }) => name === 'produce invoices');
  expect(produce?.kind).toBe('producer');
  expect(Object.fromEntries(produce?.attributes ?? [])).toMatchObject({
    'messaging.system': 'kafka',
    'messaging.operation.name': 'produce',
    'messaging.operation.type': 'send',
    'messaging.destination.name': 'invoices',
    'tulle.kafka.topics': 1,
    'server.address': 'store',
  });
  // A fetch waits for records: long, and by the client's wish.
  const fetched = observed.spans.filter(({ name }) => name.startsWith('fetch '));
  expect(new Set(fetched.map(({ kind }) => kind))).toEqual(new Set(['consumer']));
  expect(fetched.every(({ attributes }) => attributes.get('tulle.blocking') === true)).toBe(true);
});
