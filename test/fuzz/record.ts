// `npm run fuzz:record`: records the sessions of test/datastores anew, with real servers, for the fuzz targets to damage.
import { runKafkaSession } from '../datastores/kafka-session.ts';
import { runMongoSession } from '../datastores/mongo-session.ts';
import { startPlainRelay } from '../datastores/plain-relay.ts';
import { runRedisSession } from '../datastores/redis-session.ts';
import { startKafka } from '../parts/kafka.ts';
import { startMongoWire } from '../parts/mongo-wire.ts';
import { findFreePort } from '../parts/part.ts';
import { startRedis } from '../parts/redis.ts';
import { runHttp2Session, startHttp2Server } from './http2-session.ts';
import type { Chunk } from './mutation.ts';
import { writeSessions } from './recorded.ts';

/** Each input is a session: what only makes them longer makes fuzzing slower. */
const SMALL = 100;

const http2 = await startHttp2Server();
await record('http2', http2.port, runHttp2Session);
await http2.stop();

const redis = await startRedis();
await record('redis', redis.port, (port) => runRedisSession(port, SMALL));
await redis.stop();

const mongo = await startMongoWire();
await record('mongo', mongo.port, (port) => runMongoSession(port, SMALL));
await mongo.stop();

const kafkaPort = await findFreePort();
await record('kafka', kafkaPort, async (port) => {
  const kafka = await startKafka({ port: kafkaPort, advertisedPort: port });
  await runKafkaSession(port, SMALL);
  await kafka.runTool('org.apache.kafka.tools.ProducerPerformance', [
    ...['--bootstrap-server', `127.0.0.1:${port}`, '--topic', 'invoices'],
    ...['--num-records', '5', '--record-size', '100', '--throughput', '-1'],
  ]);
  await kafka.runTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
    ...['--bootstrap-server', `127.0.0.1:${port}`, '--topic', 'invoices', '--from-beginning'],
    ...['--max-messages', '5'],
  ]);
  await kafka.stop();
});

async function record(name: string, targetPort: number, run: (port: number) => Promise<void>): Promise<void> {
  const sessions: Chunk[][] = [];
  const relay = await startPlainRelay(targetPort, () => {
    const session: Chunk[] = [];
    sessions.push(session);
    const keep = (from: Chunk['from'], bytes: Uint8Array): boolean => {
      const last = session.at(-1);
      // One direction without a word from the other is one chunk, however it was read.
      if (last?.from === from)
        session[session.length - 1] = { from, bytes: Buffer.concat([last.bytes, bytes]) };
      else session.push({ from, bytes: new Uint8Array(bytes) });
      return true;
    };
    return {
      onClientBytes: (bytes, start, end) => keep('client', bytes.subarray(start, end)),
      onServerBytes: (bytes, start, end) => keep('server', bytes.subarray(start, end)),
      onClosed: () => {},
    };
  });
  await run(relay.port);
  await relay.close();
  const used = sessions.filter((session) => session.length > 0);
  writeSessions(name, used);
  process.stdout.write(`${name}: ${used.length} connections\n`);
}
