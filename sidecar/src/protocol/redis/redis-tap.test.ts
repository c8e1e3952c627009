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

const tapOf = (observer: CollectingObserver, keyPrefixes = false) =>
  createDataStoreTap('redis', observer, { endpoint: '127.0.0.1:6379', keyPrefixes });

/** A command as clients send it. */
function call(...words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}

function watch(pieces: readonly Piece[], { prefixes = false, closes = true } = {}): CollectingObserver {
  const observer = new CollectingObserver();
  play(tapOf(observer, prefixes), pieces, closes);
  return observer;
}

/** What is seen must not depend on how the bytes come. */
function seen(pieces: readonly Piece[], options: { prefixes?: boolean; closes?: boolean } = {}) {
  return playInPieces((cut) => watch(cut, options), pieces);
}

/** Each line of the table is a command, its reply, and what is seen of them. */
describe('one command, one reply', () => {
  const cases: [name: string, command: string, reply: string, line: string][] = [
    ['a status', call('SET', 'k', 'v'), '+OK\r\n', 'SET'],
    ['a name in lower case', call('set', 'k', 'v'), '+OK\r\n', 'SET'],
    ['an integer', call('INCR', 'k'), ':-12\r\n', 'INCR'],
    ['a bulk string', call('GET', 'k'), '$5\r\nhello\r\n', 'GET'],
    ['an empty bulk string', call('GET', 'k'), '$0\r\n\r\n', 'GET'],
    ['a bulk string with line ends in it', call('GET', 'k'), '$6\r\n\r\n+OK\r\r\n', 'GET'],
    ['a null bulk string', call('GET', 'k'), '$-1\r\n', 'GET'],
    ['a null array', call('LPOP', 'k', '2'), '*-1\r\n', 'LPOP'],
    ['an empty array', call('KEYS', '*'), '*0\r\n', 'KEYS'],
    ['nested arrays', call('SCAN', '0'), '*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n*1\r\n:1\r\n', 'SCAN'],
    ['a null', call('GET', 'k'), '_\r\n', 'GET'],
    ['a boolean', call('EVAL', 'return true', '0'), '#t\r\n', 'EVAL'],
    ['a double', call('ZSCORE', 'k', 'm'), ',1.5e3\r\n', 'ZSCORE'],
    ['a big number', call('EVAL', 's', '0'), '(3492890328409238509324850943850943825024385\r\n', 'EVAL'],
    ['a verbatim string', call('INFO'), '=7\r\ntxt:abc\r\n', 'INFO'],
    ['a map', call('HGETALL', 'k'), '%2\r\n+a\r\n:1\r\n+b\r\n%1\r\n+c\r\n_\r\n', 'HGETALL'],
    ['a set', call('SMEMBERS', 'k'), '~2\r\n+a\r\n+b\r\n', 'SMEMBERS'],
    ['an empty map', call('HGETALL', 'k'), '%0\r\n', 'HGETALL'],
    ['an attribute before a reply', call('GET', 'k'), '|1\r\n+ttl\r\n:3600\r\n$1\r\nv\r\n', 'GET'],
    ['an empty attribute', call('GET', 'k'), '|0\r\n$1\r\nv\r\n', 'GET'],
    ['an attribute within', call('MGET', 'a'), '*2\r\n:1\r\n|1\r\n+ttl\r\n:9\r\n:2\r\n', 'MGET'],
    ['a streamed string', call('GET', 'k'), '$?\r\n;4\r\nHell\r\n;1\r\no\r\n;0\r\n', 'GET'],
    ['a streamed array', call('KEYS', '*'), '*?\r\n:1\r\n*1\r\n+a\r\n$?\r\n;1\r\nx\r\n;0\r\n.\r\n', 'KEYS'],
    ['a streamed map', call('HGETALL', 'k'), '%?\r\n+a\r\n:1\r\n.\r\n', 'HGETALL'],
    ['a streamed set, empty', call('SMEMBERS', 'k'), '~?\r\n.\r\n', 'SMEMBERS'],
    ['an error', call('INCR', 'k'), '-WRONGTYPE Operation against a key\r\n', 'INCR !WRONGTYPE'],
    ['an error without text', call('GET', 'k'), '-LOADING\r\n', 'GET !LOADING'],
    ['a bulk error', call('GET', 'k'), '!21\r\nSYNTAX invalid syntax\r\n', 'GET !SYNTAX'],
    ["a script's own error", call('EVAL', 's', '0'), '-user 4711 is over quota\r\n', 'EVAL !_OTHER'],
    ['an error of one long word', call('EVAL', 's', '0'), `-${'A'.repeat(80)}\r\n`, 'EVAL !_OTHER'],
    ['MOVED', call('GET', 'k'), '-MOVED 3999 127.0.0.1:6381\r\n', 'GET (MOVED)'],
    ['ASK', call('GET', 'k'), '-ASK 3999 127.0.0.1:6381\r\n', 'GET (ASK)'],
    ['a subcommand', call('config', 'get', 'maxmemory'), '*0\r\n', 'CONFIG GET'],
    ['an unknown subcommand', call('CONFIG', 'secret'), '-ERR unknown\r\n', 'CONFIG !ERR'],
    ['a container alone', call('COMMAND'), '*0\r\n', 'COMMAND'],
    ['an unknown command', call('hunter2'), '-ERR unknown command\r\n', '_OTHER !ERR'],
    ['a very long name', call('G'.repeat(5_000)), '-ERR unknown command\r\n', '_OTHER !ERR'],
    ["a module's command", call('json.set', 'k', '$', '{}'), '+OK\r\n', 'JSON.SET'],
    ['no known module', call('my.password'), '-ERR unknown command\r\n', '_OTHER !ERR'],
    ['a command that blocks', call('BLPOP', 'k', '0'), '*2\r\n$1\r\nk\r\n$1\r\nv\r\n', 'BLPOP blocking'],
    ['XREAD with BLOCK', call('XREAD', 'BLOCK', '5', 'STREAMS', 's', '0'), '*-1\r\n', 'XREAD blocking'],
    ['a stream of that name', call('XREAD', 'STREAMS', 'BLOCK', '0'), '*-1\r\n', 'XREAD'],
    ['XREAD without BLOCK', call('xread', 'count', '5', 'streams', 's', '0'), '*-1\r\n', 'XREAD'],
    ['an inline command', 'ping\r\n', '+PONG\r\n', 'PING'],
    ['an inline command with blanks', ' set  k\tv \r\n', '+OK\r\n', 'SET'],
    ['an inline command that ends with LF', 'GET k\n', '$-1\r\n', 'GET'],
    ['empty lines and commands', `\r\n*0\r\n\n*-1\r\n${call('PING')}`, '+PONG\r\n', 'PING'],
  ];
  test.each(cases)('%s', (_name, command, reply, line) => {
    const { lines, desyncs, unmatched } = seen([client(command), server(reply)]);
    expect({ lines, desyncs, unmatched }).toEqual({ lines: [line], desyncs: [], unmatched: 0 });
  });
});

test('a pipeline: replies match in order, and each command knows how long it stood behind others', () => {
  const pipeline = client(call('DEBUG', 'SLEEP', '1') + call('GET', 'a') + call('INCR', 'b'), 10);
  const { commands, lines } = seen([
    pipeline,
    server('+OK\r\n$3', 1_010),
    server('\r\nabc\r\n', 1_012),
    server('-ERR no\r\n', 1_013),
  ]);
  expect(lines).toEqual(['DEBUG SLEEP', 'GET', 'INCR !ERR']);
  expect(commands.map((each) => [each.startedMs, each.firstByteMs, each.endedMs, each.waitedMs])).toEqual([
    [10, 1_010, 1_010, 0],
    [10, 1_010, 1_012, 1_000],
    [10, 1_013, 1_013, 1_002],
  ]);
  expect(commands.map((each) => [each.requestBytes, each.responseBytes])).toEqual([
    [call('DEBUG', 'SLEEP', '1').length, 5],
    [call('GET', 'a').length, 9],
    [call('INCR', 'b').length, 9],
  ]);
});

test('of commands whose replies come together, each may be the one that took the time', () => {
  const { commands } = seen([
    client(call('SET', 'a', '1') + call('EVAL', 's', '0') + call('GET', 'a'), 10),
    server('+OK\r\n$-1\r\n', 160),
    server('$-1\r\n', 161),
  ]);
  expect(commands.map(({ operation, waitedMs }) => [operation, waitedMs])).toEqual([
    ['SET', 0],
    ['EVAL', 0],
    ['GET', 150],
  ]);
});

describe('transactions', () => {
  const begin = [client(call('MULTI')), server('+OK\r\n')];

  test('queued commands have not run; EXEC says how many there were', () => {
    const { lines } = seen([
      ...begin,
      client(call('SET', 'a', '1') + call('INCR', 'a') + call('EXEC') + call('GET', 'a')),
      server('+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n$1\r\n2\r\n'),
    ]);
    expect(lines).toEqual(['MULTI', 'EXEC x2', 'GET']);
  });

  test('a command that failed within is the failure of EXEC', () => {
    const reply = '+QUEUED\r\n*1\r\n-WRONGTYPE no list\r\n';
    const { lines } = seen([...begin, client(call('LPUSH', 'a', '1') + call('EXEC')), server(reply)]);
    expect(lines).toEqual(['MULTI', 'EXEC x1 !WRONGTYPE']);
  });

  test('what was refused when it was to be queued has failed itself', () => {
    const { lines } = seen([
      ...begin,
      client(call('GET') + call('EXEC') + call('GET', 'a')),
      server(
        "-ERR wrong number of arguments for 'get' command\r\n-EXECABORT Transaction discarded\r\n$-1\r\n",
      ),
    ]);
    expect(lines).toEqual(['MULTI', 'GET !ERR', 'EXEC !EXECABORT', 'GET']);
  });

  test('a discarded one leaves nothing behind: QUEUED is an ordinary answer again', () => {
    const { lines } = seen([
      ...begin,
      client(call('SET', 'a', '1') + call('DISCARD') + call('EVAL', 's', '0')),
      server('+QUEUED\r\n+OK\r\n+QUEUED\r\n'),
    ]);
    expect(lines).toEqual(['MULTI', 'DISCARD', 'EVAL']);
  });
});

describe('subscriptions', () => {
  const confirm = (kind: string, channel: string, count: number) =>
    `*3\r\n$${kind.length}\r\n${kind}\r\n$${channel.length}\r\n${channel}\r\n:${count}\r\n`;
  const message = '*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nhello\r\n';
  const asPush = (array: string) => `>${array.slice(1)}`;

  test('RESP2: one command, a confirmation a channel; messages belong to nothing', () => {
    const { lines, desyncs } = seen([
      client(call('SUBSCRIBE', 'a', 'b')),
      server(confirm('subscribe', 'a', 1) + message + confirm('subscribe', 'b', 2) + message),
      client(call('PSUBSCRIBE', 'x*')),
      server(`${confirm('psubscribe', 'x*', 3)}*4\r\n$8\r\npmessage\r\n$2\r\nx*\r\n$2\r\nxy\r\n$1\r\n1\r\n`),
      client(call('PING')),
      server('*2\r\n$4\r\npong\r\n$0\r\n\r\n'),
      client(call('UNSUBSCRIBE')),
      server(confirm('unsubscribe', 'a', 2) + confirm('unsubscribe', 'b', 1)),
      client(call('PUNSUBSCRIBE', 'x*')),
      server(confirm('punsubscribe', 'x*', 0)),
      // No longer subscribed: an array that looks like a message is a reply.
      client(call('LRANGE', 'k', '0', '-1') + call('GET', 'k')),
      server(`${message}$-1\r\n`),
    ]);
    expect(desyncs).toEqual([]);
    expect(lines).toEqual([
      'SUBSCRIBE',
      'PSUBSCRIBE',
      'PING',
      'UNSUBSCRIBE',
      'PUNSUBSCRIBE',
      'LRANGE',
      'GET',
    ]);
  });

  test('leaving all channels while in none is confirmed once', () => {
    const none = '*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n';
    expect(seen([client(call('UNSUBSCRIBE') + call('PING')), server(`${none}+PONG\r\n`)]).lines).toEqual([
      'UNSUBSCRIBE',
      'PING',
    ]);
  });

  test('RESP3: confirmations and messages are pushes, between the replies of other commands', () => {
    const { lines, desyncs } = seen([
      client(call('HELLO', '3')),
      server('%1\r\n+proto\r\n:3\r\n'),
      client(call('SUBSCRIBE', 'a') + call('LRANGE', 'k', '0', '-1') + call('GET', 'k')),
      server(`${asPush(confirm('subscribe', 'a', 1))}${asPush(message)}${message}`),
      server(`>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n$-1\r\n`),
    ]);
    expect(desyncs).toEqual([]);
    expect(lines).toEqual(['HELLO', 'SUBSCRIBE', 'LRANGE', 'GET']);
  });

  test("a shard's subscription that the server ends by itself answers nothing", () => {
    const { lines, desyncs } = seen([
      client(call('SSUBSCRIBE', 'a')),
      server(confirm('ssubscribe', 'a', 1)),
      server(confirm('sunsubscribe', 'a', 0)),
      client(call('GET', 'k')),
      server('$-1\r\n'),
    ]);
    expect({ lines, desyncs }).toEqual({ lines: ['SSUBSCRIBE', 'GET'], desyncs: [] });
  });

  test('a refused subscription', () => {
    const { lines } = seen([client(call('SUBSCRIBE', 'a', 'b')), server('-NOPERM no channel\r\n')]);
    expect(lines).toEqual(['SUBSCRIBE !NOPERM']);
  });
});

test("MONITOR's lines answer nothing, and RESET ends it", () => {
  const { lines, desyncs } = seen([
    client(call('MONITOR')),
    server('+OK\r\n+1339518083.107412 [0 127.0.0.1:60866] "SET" "k" "secret"\r\n'),
    client(call('RESET') + call('PING')),
    server('+1339518083.2 [0 127.0.0.1:60866] "GET" "k"\r\n+RESET\r\n+PONG\r\n'),
  ]);
  expect({ lines, desyncs }).toEqual({ lines: ['MONITOR', 'RESET', 'PING'], desyncs: [] });
});

describe('CLIENT REPLY', () => {
  test('off: nothing is answered until it is on again', () => {
    const { lines, desyncs } = seen([
      client(call('CLIENT', 'REPLY', 'OFF') + call('SET', 'a', '1') + call('SET', 'b', '1')),
      client(call('CLIENT', 'REPLY', 'on') + call('GET', 'a')),
      server('+OK\r\n$1\r\n1\r\n'),
    ]);
    expect({ lines, desyncs }).toEqual({ lines: ['CLIENT REPLY', 'GET'], desyncs: [] });
  });

  test('skip: neither itself nor the next command is answered', () => {
    const { lines, desyncs } = seen([
      client(call('client', 'reply', 'skip') + call('SET', 'a', '1') + call('GET', 'a')),
      server('$1\r\n1\r\n'),
    ]);
    expect({ lines, desyncs }).toEqual({ lines: ['GET'], desyncs: [] });
  });

  test('a mode that does not exist is an error like any', () => {
    expect(seen([client(call('CLIENT', 'REPLY', 'MAYBE')), server('-ERR syntax error\r\n')]).lines).toEqual([
      'CLIENT REPLY !ERR',
    ]);
  });
});

describe('key prefixes', () => {
  const target = (words: string[], prefixes = true) =>
    seen([client(call(...words)), server('+OK\r\n')], { prefixes }).commands[0]?.target;

  test.each([
    [['GET', 'user:42'], 'user'],
    [['GET', 'User:42'], 'User'],
    [['MGET', 'a:1', 'b:2'], 'a'],
    [['GET', 'sessionof42'], ''],
    [['GET', ':42'], ''],
    [['GET', `${'x'.repeat(LIMITS.redisKeyPrefixBytes)}:1`], ''],
    [['EVAL', 'return ":x"', '1', 'cart:1', 'secret:1'], 'cart'],
    [['EVAL', 'return ":x"', '0', 'secret:1'], ''],
    [['BITOP', 'AND', 'stats:1', 'other:2'], 'stats'],
    [['OBJECT', 'ENCODING', 'user:1'], 'user'],
    [['AUTH', 'user:secret'], ''],
    [['HELLO', '3', 'AUTH', 'user:1', 'secret:1'], ''],
    [['PUBLISH', 'user:1', 'a:1'], ''],
    [['JSON.SET', 'doc:1', '$', '{}'], ''],
  ])('%j: %s', (words, expected) => {
    expect(target(words)).toBe(expected);
  });

  test('are off unless asked for', () => {
    expect(target(['GET', 'user:42'], false)).toBe('');
  });
});

describe('a connection that closes', () => {
  test('what was not answered has failed; what only waited, or asked for the end, has not', () => {
    const { lines, unmatched } = seen([
      client(call('BLPOP', 'k', '0') + call('GET', 'a') + call('QUIT')),
      server('*2\r\n$1\r\nk'),
    ]);
    expect({ lines, unmatched }).toEqual({ lines: ['GET !connection_closed'], unmatched: 2 });
  });
});

describe('lost sync', () => {
  const cases: [name: string, pieces: Piece[], reason: string][] = [
    ['TLS from the client', [client('\x16\x03\x01\x02\x00\x01')], 'tls'],
    ['TLS from the server', [client(call('PING')), server('\x15\x03\x01\x00\x02')], 'tls'],
    ['no bulk string in a command', [client('*1\r\n:1\r\n')], 'malformed'],
    ['a null in a command', [client('*1\r\n$-1\r\n')], 'malformed'],
    ['a bulk string that is longer than announced', [client('*1\r\n$3\r\nPING\r\n')], 'malformed'],
    ['a length that is no number', [client('*1\r\n$x\r\n')], 'malformed'],
    ['a length without digits', [client('*\r\n')], 'malformed'],
    ['a length of too many digits', [client('*1\r\n$1234567890123\r\n')], 'malformed'],
    ['binary data', [client('\x00\x01\x02')], 'malformed'],
    ['an endless inline command', [client('x'.repeat(LIMITS.redisInlineBytes + 1))], 'too_long'],
    ['an unknown type', [client(call('PING')), server('@1\r\n')], 'malformed'],
    ['a push inside of a reply', [client(call('PING')), server('*1\r\n>1\r\n+a\r\n')], 'malformed'],
    ['a chunk outside of a stream', [client(call('PING')), server(';4\r\nabcd\r\n')], 'malformed'],
    ['a stop outside of a stream', [client(call('PING')), server('*1\r\n.\r\n')], 'malformed'],
    ['something else between chunks', [client(call('PING')), server('$?\r\n+OK\r\n')], 'malformed'],
    [
      'nesting without end',
      [client(call('PING')), server('*1\r\n'.repeat(LIMITS.redisDepth + 1))],
      'too_deep',
    ],
    ['a reply to nothing', [server('+OK\r\n')], 'unexpected_reply'],
    ['replication', [client(call('PSYNC', '?', '-1'))], 'unsupported'],
    ['too many commands at once', [client(call('PING').repeat(LIMITS.redisInFlight + 1))], 'in_flight_full'],
  ];
  test.each(cases)('%s', (_name, pieces, reason) => {
    const observer = seen([...pieces, client(call('GET', 'k')), server('+OK\r\n')]);
    expect(observer.desyncs).toEqual([reason]);
    expect(observer.commands).toEqual([]);
  });

  test('a tap that is off says so', () => {
    const observer = new CollectingObserver();
    const tap = tapOf(observer);
    const bytes = Buffer.from('*x');
    expect(tap.onClientBytes(bytes, 0, 2, 0)).toBe(false);
    expect(tap.onClientBytes(bytes, 0, 2, 0)).toBe(false);
    expect(tap.onServerBytes(bytes, 0, 2, 0)).toBe(false);
    expect(observer.desyncs).toEqual(['malformed']);
  });
});

test('a long pipeline within the bound is matched to its end', () => {
  const count = LIMITS.redisInFlight;
  const { commands } = watch([client(call('PING').repeat(count)), server('+PONG\r\n'.repeat(count))]);
  expect(commands.length).toBe(count);
});
