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
import {
  bson,
  type Document,
  int32,
  message,
  Raw,
  reply,
  request,
  sequence,
  sized,
} from './message.fixture.ts';

function watch(pieces: readonly Piece[]): CollectingObserver {
  const observer = new CollectingObserver();
  play(createDataStoreTap('mongo', observer, { endpoint: '127.0.0.1:27017', keyPrefixes: false }), pieces);
  return observer;
}

const seen = (...pieces: Piece[]) => playInPieces(watch, pieces);
const OK = { ok: 1.0 };

describe('a command and its database and collection', () => {
  const cases: [name: string, document: Document, line: string, database: string][] = [
    ['find', { find: 'orders', filter: { secret: 'x' }, $db: 'shop' }, 'find orders', 'shop'],
    ['a long name', { find: 'o'.repeat(300), $db: 'shop' }, 'find', 'shop'],
    ['a name that is not ASCII', { insert: 'bestellungen-ü', $db: 'shop' }, 'insert bestellungen-ü', 'shop'],
    ['a command on the database', { ping: 1, $db: 'admin' }, 'ping', 'admin'],
    ['an aggregation on the database', { aggregate: 1, pipeline: [], $db: 'shop' }, 'aggregate', 'shop'],
    [
      'a cursor, whose collection is a field',
      { getMore: 7, collection: 'orders', $db: 's' },
      'getMore orders',
      's',
    ],
    [
      'one that awaits data',
      { getMore: 7, collection: 'o', maxTimeMS: 9, $db: 's' },
      'getMore o blocking',
      's',
    ],
    ['a find with a time limit awaits nothing', { find: 'o', maxTimeMS: 9, $db: 's' }, 'find o', 's'],
    ['a hello that awaits news', { hello: 1, maxAwaitTimeMS: 9, $db: 'admin' }, 'hello blocking', 'admin'],
    ['a user is no collection', { createUser: 'alice', pwd: 'secret', $db: 'admin' }, 'createUser', 'admin'],
    ['a field `collection` of another command', { ping: 1, collection: 'x', $db: 'a' }, 'ping', 'a'],
    ['an unknown command', { hunter2: 'secret', $db: 'admin' }, '_OTHER', 'admin'],
    ['a command with a very long name', { [`find${'x'.repeat(100)}`]: 'o', $db: 'a' }, '_OTHER', 'a'],
    [
      'a database within a filter',
      { find: 'o', filter: { $db: 'no', collection: 'no' }, $db: 's' },
      'find o',
      's',
    ],
    ['no database', { find: 'o' }, 'find o', ''],
    ['nothing at all', {}, '_OTHER', ''],
  ];
  test.each(cases)('%s', (_name, document, line, database) => {
    const { lines, commands, desyncs } = seen(client(request(1, document)), server(reply(9, 1, OK)));
    expect({ lines, desyncs, database: commands[0]?.namespace }).toEqual({
      lines: [line],
      desyncs: [],
      database,
    });
  });

  test('every type of BSON is skipped by its length', () => {
    const everything = {
      find: 'orders',
      double: 1.5,
      document: { a: { b: {} } },
      array: [1, 'x', [null]],
      binary: new Raw(0x05, [3, 0, 0, 0, 0x80, 1, 2, 3]),
      undefined: new Raw(0x06, []),
      objectId: new Raw(0x07, Buffer.alloc(12, 1)),
      date: new Raw(0x09, Buffer.alloc(8)),
      regex: new Raw(0x0b, Buffer.from('^a.*\0i\0')),
      pointer: new Raw(0x0c, Buffer.concat([sized('ns\0'), Buffer.alloc(12)])),
      code: new Raw(0x0d, sized('f()\0')),
      symbol: new Raw(0x0e, sized('s\0')),
      scoped: new Raw(0x0f, Buffer.concat([int32(4 + 4 + 4 + 5), sized('f()\0'), bson({})])),
      timestamp: new Raw(0x11, Buffer.alloc(8)),
      long: new Raw(0x12, Buffer.alloc(8)),
      decimal: new Raw(0x13, Buffer.alloc(16)),
      max: new Raw(0x7f, []),
      min: new Raw(0xff, []),
      $db: 'shop',
    };
    const { lines, commands, desyncs } = seen(client(request(1, everything)), server(reply(9, 1, OK)));
    expect({ lines, desyncs, database: commands[0]?.namespace }).toEqual({
      lines: ['find orders'],
      desyncs: [],
      database: 'shop',
    });
  });
});

describe('a reply', () => {
  const find = client(request(1, { find: 'orders', $db: 'shop' }));
  const duplicate = { index: 0, code: 11000, keyPattern: { code: 1 }, errmsg: 'E11000 secret' };
  const cases: [name: string, document: Document, line: string, errors: number][] = [
    ['success', { cursor: { firstBatch: [{ ok: 0, code: 5 }], id: 0 }, ok: 1 }, 'find orders', 0],
    ['ok as a boolean', { ok: true }, 'find orders', 0],
    ['ok as a long', { ok: new Raw(0x12, [1, 0, 0, 0, 0, 0, 0, 0]) }, 'find orders', 0],
    [
      'a failure',
      { ok: 0.0, errmsg: 'secret', code: 13, codeName: 'Unauthorized' },
      'find orders (13) !Unauthorized',
      1,
    ],
    ['a failure without a name', { ok: 0, code: 26 }, 'find orders !26', 1],
    ['a failure without anything', { ok: 0 }, 'find orders !_OTHER', 1],
    ['writes that failed', { n: 0, writeErrors: [duplicate, duplicate], ok: 1 }, 'find orders !11000', 2],
    ['no write that failed', { n: 1, writeErrors: [], ok: 1 }, 'find orders', 0],
    [
      'a write that was not replicated',
      { ok: 1, writeConcernError: { code: 64, codeName: 'WriteConcernTimeout', errInfo: { code: 1 } } },
      'find orders (64) !WriteConcernTimeout',
      1,
    ],
    [
      'the own code of a command counts more than that of its writes',
      { writeErrors: [duplicate], ok: 0, code: 251, codeName: 'NoSuchTransaction' },
      'find orders (251) !NoSuchTransaction',
      1,
    ],
    ['writeErrors of another type', { writeErrors: 5, ok: 1 }, 'find orders', 0],
  ];
  test.each(cases)('%s', (_name, document, line, errorCount) => {
    const { lines, commands, desyncs } = seen(find, server(reply(9, 1, document)));
    expect({ lines, desyncs, errors: commands[0]?.errorCount }).toEqual({
      lines: [line],
      desyncs: [],
      errors: errorCount,
    });
  });
});

test('replies are matched by the request that they name, and sizes and times are those of the messages', () => {
  const first = request(1, { find: 'a', $db: 's' });
  const second = request(2, { count: 'b', $db: 's' });
  const answer = reply(9, 2, OK);
  const { commands } = seen(
    client(first, 5),
    client(second, 6),
    server(answer.subarray(0, 10), 20),
    server(answer.subarray(10), 21),
    server(reply(10, 1, OK), 30),
  );
  expect(
    commands.map((each) => [each.operation, each.startedMs, each.firstByteMs, each.endedMs, each.waitedMs]),
  ).toEqual([
    ['count', 6, 20, 21, 0],
    ['find', 5, 30, 30, 16],
  ]);
  expect(commands.map((each) => [each.requestBytes, each.responseBytes])).toEqual([
    [second.length, answer.length],
    [first.length, answer.length],
  ]);
});

test('documents that are written come in sections of their own, before or behind the body, with a checksum or without', () => {
  const body = Buffer.concat([Buffer.from([0]), bson({ insert: 'orders', $db: 'shop' })]);
  const documents = sequence('documents', { a: 1 }, { insert: 'no' });
  const plain = message(2013, 1, 0, int32(0), body, documents);
  const sequenceFirst = message(2013, 2, 0, int32(1), documents, body, int32(0x1234));
  const { lines, desyncs } = seen(
    client(Buffer.concat([plain, sequenceFirst])),
    server(Buffer.concat([reply(8, 1, OK), reply(9, 2, OK)])),
  );
  expect({ lines, desyncs }).toEqual({ lines: ['insert orders', 'insert orders'], desyncs: [] });
});

test('a write without acknowledgement waits for no reply', () => {
  const { lines, unmatched } = seen(
    client(request(1, { insert: 'orders', $db: 's' }, 2)),
    client(request(2, { find: 'orders', $db: 's' })),
    server(reply(9, 2, OK)),
  );
  expect({ lines, unmatched }).toEqual({ lines: ['find orders'], unmatched: 0 });
});

test('exhaust: each reply that announces more is what the next one answers', () => {
  const { lines, commands, unmatched } = seen(
    client(request(1, { hello: 1, maxAwaitTimeMS: 10_000, $db: 'admin' }, 0x10000), 0),
    server(reply(50, 1, OK, 2), 10),
    server(reply(51, 50, OK, 2), 20),
    server(reply(52, 51, OK), 30),
  );
  expect(lines).toEqual(['hello blocking', 'hello blocking', 'hello blocking']);
  expect(commands.map(({ startedMs, endedMs }) => [startedMs, endedMs])).toEqual([
    [0, 10],
    [10, 20],
    [20, 30],
  ]);
  expect(unmatched).toBe(0);
});

test('the handshake of old: OP_QUERY and OP_REPLY', () => {
  const query = message(
    2004,
    1,
    0,
    int32(0),
    Buffer.from('admin.$cmd\0'),
    int32(0),
    int32(-1),
    bson({ ismaster: 1, client: { application: { name: 'secret' } } }),
  );
  const head = Buffer.concat([int32(8), Buffer.alloc(8), int32(0), int32(1)]);
  const { lines, desyncs } = seen(
    client(query),
    server(message(1, 9, 1, head, bson({ ismaster: true, ok: 1 }))),
  );
  expect({ lines, desyncs }).toEqual({ lines: ['ismaster'], desyncs: [] });
});

test('what is compressed is timed, without a name', () => {
  const compressed = Buffer.concat([int32(2013), int32(100), Buffer.from([2]), Buffer.alloc(40, 7)]);
  const { lines, desyncs } = seen(
    client(message(2012, 1, 0, compressed)),
    server(message(2012, 9, 1, compressed)),
  );
  expect({ lines, desyncs }).toEqual({ lines: ['OP_COMPRESSED'], desyncs: [] });
});

test('a reply to an unknown request is counted and costs nothing else', () => {
  const { lines, unmatched, desyncs } = seen(
    server(reply(9, 77, OK)),
    client(request(1, { ping: 1, $db: 'a' })),
    server(reply(9, 1, OK)),
  );
  expect({ lines, unmatched, desyncs }).toEqual({ lines: ['ping'], unmatched: 1, desyncs: [] });
});

test('a connection that closes: what was under way has failed, what only awaited news has not', () => {
  const { lines, unmatched } = seen(
    client(request(1, { find: 'o', $db: 's' })),
    client(request(2, { getMore: 7, collection: 'o', maxTimeMS: 9, $db: 's' })),
  );
  expect({ lines, unmatched }).toEqual({ lines: ['find o !connection_closed'], unmatched: 2 });
});

describe('lost sync', () => {
  const body = bson({ ping: 1 });
  const msg = (...parts: Buffer[]) => message(2013, 1, 0, ...parts);
  const kind0 = Buffer.from([0]);
  const damaged = (at: number, byte: number) => {
    const bytes = msg(int32(0), kind0, body);
    bytes[at] = byte;
    return bytes;
  };
  const cases: [name: string, bytes: Buffer, reason: string][] = [
    ['TLS', Buffer.from('16030102000100fc03030102030405060708090a', 'hex'), 'tls'],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), 'unsupported'],
    ['an opcode that was removed', message(2002, 1, 0, int32(0)), 'unsupported'],
    ['an answer from the client', message(1, 1, 0, Buffer.alloc(20)), 'unsupported'],
    ['a message shorter than its header', damaged(0, 15), 'malformed'],
    ['a message that is too long', damaged(3, 0x7f), 'malformed'],
    ['no body', msg(int32(0), sequence('documents', { a: 1 })), 'malformed'],
    ['two bodies', msg(int32(0), kind0, body, kind0, body), 'malformed'],
    ['an unknown kind of section', msg(int32(0), Buffer.from([2]), body), 'malformed'],
    ['an unknown flag that must be known', msg(int32(4), kind0, body), 'malformed'],
    ['a document that is longer than its message', damaged(21, body.length + 1), 'malformed'],
    ['a document that is shorter than its elements', damaged(21, body.length - 1), 'malformed'],
    ['a document of four bytes', msg(int32(0), kind0, int32(4), Buffer.alloc(9)), 'malformed'],
    ['an unknown type of element', damaged(25, 0x20), 'malformed'],
    [
      'a string without a terminator',
      msg(int32(0), kind0, bson({ find: new Raw(2, int32(0)) })),
      'malformed',
    ],
    [
      'a string beyond its document',
      msg(int32(0), kind0, bson({ find: new Raw(2, int32(99)) })),
      'malformed',
    ],
    ['a negative length', msg(int32(0), kind0, bson({ find: new Raw(5, int32(-1)) })), 'malformed'],
    ['a sequence beyond its message', msg(int32(0), kind0, body, Buffer.from([1]), int32(99)), 'malformed'],
    ['bytes behind the last section', msg(int32(0), kind0, body, Buffer.from([1, 9])), 'malformed'],
  ];
  test.each(cases)('%s', (_name, bytes, reason) => {
    const { desyncs, commands } = seen(
      client(bytes),
      client(request(2, { ping: 1 })),
      server(reply(9, 2, OK)),
    );
    expect({ desyncs, commands }).toEqual({ desyncs: [reason], commands: [] });
  });

  test('too many requests at once', () => {
    const all = Array.from({ length: LIMITS.mongoInFlight + 1 }, (_, i) => request(i, { ping: 1 }));
    expect(seen(client(Buffer.concat(all))).desyncs).toEqual(['in_flight_full']);
  });
});
