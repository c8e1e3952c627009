// `npm run bench:codec`, second part: what a tap beside a data store's connection costs a command, all telemetry included: both directions
// read, series found, one span in a hundred recorded.
import { DataStoreSeries } from '../../sidecar/src/observe/datastore-series.ts';
import { DataStoreWatch } from '../../sidecar/src/observe/datastore-watch.ts';
import { OBSERVE_LIMITS } from '../../sidecar/src/observe/limits.ts';
import { RandomWords } from '../../sidecar/src/observe/random-words.ts';
import { Budget } from '../../sidecar/src/observe/retention/budget.ts';
import { SeriesBudget } from '../../sidecar/src/observe/series-budget.ts';
import { SpanRing } from '../../sidecar/src/observe/spans.ts';
import { createDataStoreTap } from '../../sidecar/src/protocol/datastore/create-tap.ts';
import { fetch, fetched, produce, produced } from '../../sidecar/src/protocol/kafka/kafka.fixture.ts';
import { reply, request } from '../../sidecar/src/protocol/mongo/message.fixture.ts';
import { seededRandom } from '../seeded-random.ts';
import { report } from './stopwatch.ts';

const HEAD_SAMPLE_RATIO = 0.01;
const PIPELINE = 32;

const SET = words('SET', 'session:0123456789', 'x'.repeat(100), 'EX', '3600');
const GET = words('GET', 'session:0123456789');
const VALUE = Buffer.from(`$100\r\n${'x'.repeat(100)}\r\n`);
const OK = Buffer.from('+OK\r\n');

exchange('redis', 'SET, 5 words', SET, OK);
exchange('redis', 'GET, 100 bytes', GET, VALUE);
exchange('redis', 'GET, named by its key prefix', GET, VALUE, { keyPrefixes: true });
exchange('redis', 'GET, 64 KB', GET, Buffer.from(`$65536\r\n${'x'.repeat(65_536)}\r\n`));
exchange(
  'redis',
  `HGETALL, 20 fields`,
  words('HGETALL', 'user:1'),
  Buffer.from(`*40\r\n${'$8\r\nabcdefgh\r\n'.repeat(40)}`),
);
exchange(
  'redis',
  `${PIPELINE} GETs in a pipeline, each`,
  Buffer.concat(Array<Buffer>(PIPELINE).fill(GET)),
  Buffer.concat(Array<Buffer>(PIPELINE).fill(VALUE)),
  { commands: PIPELINE },
);

const SESSION = { id: 'x'.repeat(16) };
const FIND = {
  find: 'orders',
  filter: { customer: 4711, state: 'open' },
  limit: 20,
  lsid: SESSION,
  $db: 'shop',
};
const ORDERS = Array.from({ length: 20 }, (_, i) => ({
  _id: i,
  customer: 4711,
  state: 'open',
  note: 'x'.repeat(40),
}));
const CURSOR = { cursor: { firstBatch: ORDERS, id: 0, ns: 'shop.orders' }, ok: 1 };
exchange('mongo', 'find, 20 documents', request(1, FIND), reply(2, 1, CURSOR));
exchange('mongo', 'ping', request(1, { ping: 1, lsid: SESSION, $db: 'admin' }), reply(2, 1, { ok: 1 }));

exchange('kafka', 'produce', produce(9, 1, ['orders']), produced(9, 1, 'orders', [0]));
exchange(
  'kafka',
  'fetch, 16 KB',
  fetch(12, 1, ['orders'], { epoch: -1 }),
  fetched(12, 1, 'orders', Buffer.alloc(16_384)),
);

function exchange(
  protocol: 'redis' | 'mongo' | 'kafka',
  name: string,
  asked: Buffer,
  answered: Buffer,
  { keyPrefixes = false, commands = 1 } = {},
): void {
  const ring = new SpanRing(8_192);
  const series = new DataStoreSeries(protocol, 'store', new SeriesBudget(10_000));
  const watch = new DataStoreWatch({
    series,
    ring,
    ringOrigin: ring.addOrigin({ direction: 'outbound', route: 'store' }),
    random: new RandomWords(seededRandom(1)),
    headSampleRatio: HEAD_SAMPLE_RATIO,
    budget: new Budget(OBSERVE_LIMITS.keptCommandsPerSecond),
  });
  const tap = createDataStoreTap(protocol, watch, { endpoint: '127.0.0.1:1', keyPrefixes });
  let nowMs = 0;
  report(
    `${protocol} ${name}`,
    () => {
      nowMs += 0.2;
      return (
        tap.onClientBytes(asked, 0, asked.length, nowMs) &&
        tap.onServerBytes(answered, 0, answered.length, nowMs + 0.1)
      );
    },
    commands,
  );
  if ([...series.operations()].length !== 1) throw new Error(`${name}: one series was to be counted in`);
}

function words(...all: string[]): Buffer {
  return Buffer.from(`*${all.length}\r\n${all.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`);
}
