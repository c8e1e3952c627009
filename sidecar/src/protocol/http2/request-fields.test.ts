// test/conformance/http2 has every refusal on the wire; here is what a request becomes.
import { describe, expect, test } from 'vitest';
import { FAILURES } from '../../core/failure.ts';
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, RequestHead } from '../head.ts';
import { HpackDecoder } from './hpack/decoder.ts';
import { block, type Field } from './raw-peer.fixture.ts';
import { RequestFields } from './request-fields.ts';

const fields = new RequestFields();
const GET: Field[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'a.test'],
  [':path', '/p?q'],
];
const CONNECT: Field[] = [
  [':method', 'CONNECT'],
  [':protocol', 'websocket'],
  [':scheme', 'https'],
  [':authority', 'a.test'],
  [':path', '/chat'],
];

function read(sent: readonly Field[], endStream = true) {
  const head = new RequestHead();
  const bytes = block(sent);
  fields.begin(head);
  new HpackDecoder().decode(bytes, 0, bytes.length, fields);
  const failure = FAILURES[fields.end(endStream)]?.name;
  return { head, failure, text: failure === 'none' ? render(head) : '' };
}

/** The head as HTTP/1.1 would be sent it. */
function render(head: RequestHead): string {
  const lines = [head.bytes.toString('latin1', head.start, head.fieldsStart)];
  for (let row = 0; row < head.rows; row++) {
    if (head.dropped[row] === 0)
      lines.push(head.bytes.toString('latin1', head.lineStart(row), head.lineStart(row + 1)));
  }
  return lines.join('').replaceAll('\r\n', '|');
}

describe('a request becomes a head of HTTP/1.1', () => {
  test.each<[string, Field[], string]>([
    ['with Host first', [...GET, ['x', 'y']], 'GET /p?q HTTP/1.1|host: a.test|x: y|'],
    [
      'with fields in their order',
      [...GET, ['b', '1'], ['a', '2'], ['b', '3']],
      'GET /p?q HTTP/1.1|host: a.test|b: 1|a: 2|b: 3|',
    ],
    [
      'with Host where it stood',
      [GET[0], GET[1], GET[3], ['x', 'y'], ['host', 'b.test:80']] as Field[],
      'GET /p?q HTTP/1.1|x: y|host: b.test:80|',
    ],
    ['with one Host', [...GET, ['host', 'a.TEST'], ['x', 'y']], 'GET /p?q HTTP/1.1|host: a.test|x: y|'],
    [
      'with one cookie',
      [...GET, ['cookie', 'a=1'], ['cookie', 'b=2']],
      'GET /p?q HTTP/1.1|host: a.test|cookie: a=1; b=2|',
    ],
    [
      'with TE named',
      [...GET, ['te', 'Trailers']],
      'GET /p?q HTTP/1.1|host: a.test|te: trailers|connection: te|',
    ],
    [
      'without what is not for it',
      [...GET, ['http2-settings', 'x'], ['proxy-authorization', 'y']],
      'GET /p?q HTTP/1.1|host: a.test|',
    ],
    [
      'without an expectation that nothing follows',
      [...GET, ['expect', '100-continue']],
      'GET /p?q HTTP/1.1|host: a.test|',
    ],
  ])('%s', (_name, sent, text) => {
    expect(read(sent).text).toBe(text);
  });

  test('whose offsets lead to its parts', () => {
    const { head } = read(GET);
    expect([head.method, head.path, head.authority]).toEqual(['GET', '/p?q', 'a.test']);
    expect(head.bytes.toString('latin1', head.queryStart, head.pathEnd)).toBe('q');
    expect([head.isIdempotent, head.isHead]).toEqual([true, false]);
  });
});

describe('the body is framed', () => {
  test.each<[string, Field[], boolean, number, number]>([
    ['not at all when the stream ends', [], true, BODY_NONE, -1],
    ['by chunks when nothing is said', [], false, BODY_CHUNKED, -1],
    ['by its length', [['content-length', '5']], false, BODY_LENGTH, 5],
    ['not at all when it is empty', [['content-length', '0']], false, BODY_NONE, 0],
    ['not at all when it is empty and ended', [['content-length', '0']], true, BODY_NONE, 0],
  ])('%s', (_name, extra, endStream, bodyKind, contentLength) => {
    const { head } = read([...GET, ...extra], endStream);
    expect([head.bodyKind, head.contentLength]).toEqual([bodyKind, contentLength]);
  });

  test('and waits for 100 where that was asked for', () => {
    expect(read([...GET, ['expect', '100-Continue']], false).head.expectsContinue).toBe(true);
  });
});

describe('an extended CONNECT', () => {
  test('becomes an upgrade with a key of its own', () => {
    const { head, text } = read([...CONNECT, ['sec-websocket-version', '13']], false);
    expect(text).toMatch(
      /^GET \/chat HTTP\/1\.1\|host: a\.test\|upgrade: websocket\|connection: upgrade\|sec-websocket-key: [\w+/]{22}==\|sec-websocket-version: 13\|$/,
    );
    expect([head.wantsUpgrade, head.bodyKind]).toEqual([true, BODY_NONE]);
  });

  test('has one key, whatever the client sends', () => {
    const { text } = read([...CONNECT, ['sec-websocket-key', 'x']], false);
    expect(text.match(/sec-websocket-key/g)).toHaveLength(1);
    expect(text).not.toContain('key: x');
  });

  test.each<[string, Field[], string]>([
    ['with a length', [...CONNECT, ['content-length', '0']], 'malformed_request'],
    [
      'of another protocol',
      CONNECT.map(([n, v]): Field => [n, n === ':protocol' ? 'x' : v]),
      'unsupported_method',
    ],
    [
      'with another method',
      CONNECT.map(([n, v]): Field => [n, n === ':method' ? 'GET' : v]),
      'malformed_request',
    ],
    ['without a path', CONNECT.filter(([name]) => name !== ':path'), 'malformed_request'],
    ['without an authority', CONNECT.filter(([name]) => name !== ':authority'), 'malformed_request'],
  ])('%s is refused', (_name, sent, failure) => {
    expect(read(sent, false).failure).toBe(failure);
  });
});

describe('a request is refused', () => {
  test.each<[string, Field[], string]>([
    [
      'too long a target',
      GET.map(([n, v]): Field => [n, n === ':path' ? `/${'x'.repeat(16_384)}` : v]),
      'target_too_long',
    ],
    [
      'too many fields',
      [...GET, ...Array.from({ length: 128 }, (_, i): Field => [`x${i}`, ''])],
      'head_too_large',
    ],
    ['an unknown expectation', [...GET, ['expect', 'x']], 'unsupported_expectation'],
    [
      'CONNECT',
      [
        [':method', 'CONNECT'],
        [':authority', 'a.test:1'],
      ],
      'unsupported_method',
    ],
    ['a length without a body', [...GET, ['content-length', '1']], 'malformed_request'],
    ['two authorities', [...GET, ['host', 'b.test']], 'malformed_request'],
  ])('for %s', (_name, sent, failure) => {
    expect(read(sent).failure).toBe(failure);
  });

  test('and leaves nothing for the next', () => {
    read([...GET, ['cookie', 'a=1'], ['cookie', 'b=2'], ['X-Bad', 'x']]);
    expect(read(GET).text).toBe('GET /p?q HTTP/1.1|host: a.test|');
  });
});
