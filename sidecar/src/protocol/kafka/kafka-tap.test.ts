import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../core/limits.ts';
import { createDataStoreTap } from '../datastore/create-tap.ts';
import {
  CollectingObserver,
  client,
  type Piece,
  play,
  playInPieces,
  server,
} from '../datastore/session.fixture.ts';
import { fetch, fetched, metadata, produce, produced, request, response } from './kafka.fixture.ts';

function watch(pieces: readonly Piece[], observer = new CollectingObserver()): CollectingObserver {
  play(createDataStoreTap('kafka', observer, { endpoint: '127.0.0.1:9092', keyPrefixes: false }), pieces);
  return observer;
}

const seen = (...pieces: Piece[]) => playInPieces((cut) => watch(cut), pieces);
const RECORDS = Buffer.alloc(50, 0x55);
const ORDERS = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
const PAYMENTS = Buffer.from('ffeeddccbbaa99887766554433221100', 'hex');
const TOPICS = [
  { name: 'orders', id: ORDERS },
  { name: 'payments', id: PAYMENTS },
];

describe('every version of Produce', () => {
  test.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])('%i: topic and errors', (version) => {
    const { lines, commands, desyncs } = seen(
      client(produce(version, 1, ['orders'])),
      server(produced(version, 1, 'orders', [0])),
      client(produce(version, 2, ['orders', 'payments'])),
      server(produced(version, 2, 'orders', [0, 6, 7])),
    );
    expect({ lines, desyncs }).toEqual({
      lines: ['produce orders x1', 'produce (several) x2 !NOT_LEADER_OR_FOLLOWER'],
      desyncs: [],
    });
    expect(commands.map(({ errorCount }) => errorCount)).toEqual([0, 2]);
  });

  test('13: topics by their ids', () => {
    const { lines } = seen(
      client(request(3, 12, 1)),
      server(metadata(12, 1, TOPICS)),
      client(produce(13, 2, [PAYMENTS])),
      server(produced(13, 2, PAYMENTS, [100])),
    );
    expect(lines).toEqual(['metadata', 'produce payments x1 !UNKNOWN_TOPIC_ID']);
  });

  test('without acknowledgement there is no answer to wait for', () => {
    const { lines, unmatched } = seen(
      client(produce(7, 1, ['orders'], 0)),
      client(produce(7, 2, ['payments'], 1)),
      server(produced(7, 2, 'payments', [0])),
    );
    expect({ lines, unmatched }).toEqual({ lines: ['produce payments x1'], unmatched: 0 });
  });
});

describe('every version of Fetch', () => {
  test.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])('%i: topic and errors', (version) => {
    const { lines, desyncs } = seen(
      client(fetch(version, 1, ['orders'], { epoch: -1 })),
      server(fetched(version, 1, 'orders', RECORDS)),
      client(fetch(version, 2, ['orders', 'payments'], { epoch: -1, maxWaitMs: 0 })),
      server(fetched(version, 2, 'orders', RECORDS, { partitionErrors: [0, 1] })),
    );
    expect({ lines, desyncs }).toEqual({
      lines: ['fetch orders blocking x1', 'fetch (several) x2 !OFFSET_OUT_OF_RANGE'],
      desyncs: [],
    });
  });

  test.each([13, 14, 15, 16, 17, 18])(
    '%i: topics by ids that metadata told, on whatever connection',
    (version) => {
      const pieces = [
        client(fetch(version, 1, [ORDERS], { epoch: -1 })),
        server(fetched(version, 1, ORDERS, RECORDS)),
        client(fetch(version, 2, [Buffer.alloc(16, 1)], { epoch: -1 })),
        server(fetched(version, 2, Buffer.alloc(16, 1), RECORDS, { error: 71 })),
      ];
      const { lines } = playInPieces((cut) => {
        const observer = new CollectingObserver();
        watch([client(request(3, 12, 1)), server(metadata(12, 1, TOPICS))], observer);
        return watch(cut, observer);
      }, pieces);
      expect(lines).toEqual([
        'metadata',
        'fetch orders blocking x1',
        'fetch blocking x1 !INVALID_FETCH_SESSION_EPOCH',
      ]);
    },
  );

  test('a session: what a request does not name is as it was', () => {
    const exchange = (id: number, topics: string[], epoch: number) => [
      client(fetch(11, id, topics, { epoch })),
      server(fetched(11, id, 'orders', RECORDS)),
    ];
    const { commands } = seen(
      ...exchange(1, ['orders'], 0),
      ...exchange(2, [], 1),
      ...exchange(3, ['orders'], 2),
      ...exchange(4, ['payments'], 3),
      ...exchange(5, [], 4),
      ...exchange(6, ['payments'], 0),
      ...exchange(7, [], 1),
    );
    expect(commands.map(({ target }) => target)).toEqual([
      'orders',
      'orders',
      'orders',
      '(several)',
      '(several)',
      'payments',
      'payments',
    ]);
  });
});

test.each([0, 1, 2, 5, 7, 8, 9, 10, 12, 13])('metadata, version %i: its errors are seen', (version) => {
  const topics = [...TOPICS, { name: version >= 12 ? null : 'gone', id: Buffer.alloc(16), error: 3 }];
  const { lines, desyncs } = seen(client(request(3, version, 1)), server(metadata(version, 1, topics)));
  expect({ lines, desyncs }).toEqual({ lines: ['metadata !UNKNOWN_TOPIC_OR_PARTITION'], desyncs: [] });
});

describe('responses that begin with an error code', () => {
  const cases: [
    name: string,
    key: number,
    version: number,
    throttled: boolean,
    error: number,
    line: string,
  ][] = [
    ['a heartbeat of old', 12, 0, false, 25, 'heartbeat !UNKNOWN_MEMBER_ID'],
    ['a heartbeat', 12, 4, true, 25, 'heartbeat !UNKNOWN_MEMBER_ID'],
    ['a rebalance is a step, no failure', 12, 4, true, 27, 'heartbeat (REBALANCE_IN_PROGRESS)'],
    ['joining waits for others', 11, 5, true, 0, 'join_group blocking'],
    ['a member that is told its id', 11, 5, true, 79, 'join_group blocking (MEMBER_ID_REQUIRED)'],
    ['authentication', 36, 1, false, 58, 'sasl_authenticate !SASL_AUTHENTICATION_FAILED'],
    ['a coordinator', 10, 2, true, 15, 'find_coordinator !COORDINATOR_NOT_AVAILABLE'],
    ['an unknown code', 12, 4, true, 9_999, 'heartbeat !_OTHER'],
    ['no known code', 12, 4, true, -1, 'heartbeat !UNKNOWN_SERVER_ERROR'],
  ];
  test.each(cases)('%s', (_name, key, version, throttled, error, line) => {
    const answer = response(key, version, 1, (writer) => {
      if (throttled) writer.i32(0);
      writer.i16(error).string('secret');
    });
    expect(seen(client(request(key, version, 1)), server(answer)).lines).toEqual([line]);
  });
});

test('what is not looked into is timed all the same', () => {
  const { lines } = seen(
    client(request(18, 4, 1)),
    server(response(18, 0, 1)),
    client(request(1, 40, 2)),
    server(response(1, 40, 2)),
    client(request(200, 1, 3)),
    server(response(200, 1, 3)),
  );
  expect(lines).toEqual(['api_versions', 'fetch blocking', '_OTHER']);
});

test('requests one behind the other: each knows how long it waited for those before', () => {
  const big = fetched(11, 1, 'orders', Buffer.alloc(100_000, 1));
  const { commands } = seen(
    client(Buffer.concat([fetch(11, 1, ['orders']), produce(7, 2, ['orders'])]), 10),
    server(big.subarray(0, 30_000), 510),
    server(big.subarray(30_000), 512),
    server(produced(7, 2, 'orders', [0]), 515),
  );
  expect(commands.map((each) => [each.startedMs, each.firstByteMs, each.endedMs, each.waitedMs])).toEqual([
    [10, 510, 512, 0],
    [10, 515, 515, 502],
  ]);
  expect(commands.map(({ responseBytes }) => responseBytes)).toEqual([
    big.length,
    produced(7, 2, 'orders', [0]).length,
  ]);
});

test('errors behind the beginning of a response are not seen, and cost no memory', () => {
  const records = Buffer.alloc(LIMITS.kafkaPrefixBytes, 1);
  const answer = fetched(11, 1, 'orders', records, { partitionErrors: [0, 1] });
  expect(seen(client(fetch(11, 1, ['orders'])), server(answer)).lines).toEqual(['fetch orders blocking x1']);
});

test('a connection that closes: what was under way has failed, what only waited has not', () => {
  const { lines, unmatched } = seen(client(fetch(11, 1, ['orders'])), client(produce(7, 2, ['orders'])));
  expect({ lines, unmatched }).toEqual({ lines: ['produce orders x1 !connection_closed'], unmatched: 2 });
});

describe('lost sync', () => {
  const long = (bytes: number) => request(0, 7, 1, (writer) => writer.string('x'.repeat(bytes)).i16(0));
  const cases: [name: string, pieces: Piece[], reason: string][] = [
    ['TLS', [client(Buffer.from('16030102000100fc0303', 'hex'))], 'tls'],
    ['HTTP', [client('GET / HTTP/1.1\r\nHost: kafka.example.test\r\n\r\n'.padEnd(2_000, 'x'))], 'malformed'],
    ['a negative size', [client(Buffer.from('ffffffff00', 'hex'))], 'malformed'],
    ['a request without a header', [client(Buffer.from('0000000400010001', 'hex'))], 'malformed'],
    ['a version that does not exist', [client(request(1, 99, 1))], 'malformed'],
    ['acknowledgement beyond what is looked at', [client(long(LIMITS.kafkaPrefixBytes))], 'too_long'],
    ['bare tokens', [client(request(17, 0, 1))], 'unsupported'],
    ['an answer to nothing', [server(response(1, 1, 1))], 'unexpected_reply'],
    ['the answer to another', [client(request(18, 0, 1)), server(response(18, 0, 2))], 'unexpected_reply'],
    [
      'too many requests at once',
      [client(Buffer.concat(Array.from({ length: LIMITS.kafkaInFlight + 1 }, (_, i) => request(18, 0, i))))],
      'in_flight_full',
    ],
  ];
  test.each(cases)('%s', (_name, pieces, reason) => {
    const observer = seen(...pieces);
    expect({ desyncs: observer.desyncs, commands: observer.commands }).toEqual({
      desyncs: [reason],
      commands: [],
    });
  });
});
