// What a client may do wrong with fields (RFC 9113 section 8), and every known way to smuggle a request through a downgrade to HTTP/1.1
// (section 10.3; James Kettle, "HTTP/2: The Sequel is Always Worse", 2021).
import { FLAG_END_STREAM, PROTOCOL_ERROR } from '../../../sidecar/src/protocol/http2/frame.ts';
import { data, type Field, headers } from '../../../sidecar/src/protocol/http2/raw-peer.fixture.ts';
import { answered, type DownstreamCase, get, PSEUDO, post, pseudo, streamError } from './case.ts';

const END = FLAG_END_STREAM;
const MALFORMED = streamError(PROTOCOL_ERROR);

/** One case a row: pseudo-headers of a GET as changed. */
function pseudoCases(
  rows: readonly (readonly [id: string, why: string, changes: Record<string, string | null>])[],
) {
  return rows.map(
    ([id, why, changes]): DownstreamCase => ({
      id: `pseudo-${id}`,
      why,
      send: [get(1, [], changes)],
      expect: MALFORMED,
    }),
  );
}

/** One case a row: a GET with these fields. */
function fieldCases(
  prefix: string,
  rows: readonly (readonly [id: string, why: string, ...fields: Field[]])[],
) {
  return rows.map(
    ([id, why, ...fields]): DownstreamCase => ({
      id: `${prefix}-${id}`,
      why,
      send: [get(1, fields)],
      expect: MALFORMED,
    }),
  );
}

export const pseudoHeaders: DownstreamCase[] = [
  ...pseudoCases([
    ['no-method', '8.3.1', { ':method': null }],
    ['no-scheme', '8.3.1', { ':scheme': null }],
    ['no-path', '8.3.1', { ':path': null }],
    ['no-authority', '8.3.1: neither :authority nor Host', { ':authority': null }],
    ['empty-method', '8.3.1', { ':method': '' }],
    ['empty-path', '8.3.1', { ':path': '' }],
    ['empty-authority', 'RFC 9110 4.2.1: a host is not empty', { ':authority': '' }],
    ['empty-scheme', '8.3.1', { ':scheme': '' }],
    ['unknown', '8.3', { ':foo': 'bar' }],
    ['status', '8.3: of responses only', { ':status': '200' }],
    ['method-space', 'Kettle: a request line in the method', { ':method': 'GET /admin HTTP/1.1' }],
    ['method-crlf', 'Kettle', { ':method': 'GET / HTTP/1.1\r\nx: y' }],
    ['method-nul', '10.3', { ':method': 'GE\0T' }],
    ['method-colon', 'RFC 9110 9.1: a token', { ':method': 'GET:' }],
    ['method-too-long', 'bounded', { ':method': 'M'.repeat(33) }],
    ['path-space', 'Kettle: a version in the path', { ':path': '/ HTTP/1.1' }],
    ['path-crlf', 'Kettle', { ':path': '/ HTTP/1.1\r\nHost: evil\r\n\r\nGET /' }],
    ['path-lf', 'Kettle', { ':path': '/\nx: y' }],
    ['path-cr', 'Kettle', { ':path': '/\rx' }],
    ['path-nul', '10.3', { ':path': '/\0' }],
    ['path-tab', '10.3', { ':path': '/\tx' }],
    ['path-fragment', 'RFC 9112 3.2', { ':path': '/#x' }],
    ['path-non-ascii', 'RFC 3986', { ':path': '/\xe9' }],
    ['path-relative', '8.3.1: starts with a slash', { ':path': 'admin' }],
    ['path-absolute', '8.3.1: no absolute-form', { ':path': 'http://evil.test/' }],
    ['path-at', 'Kettle: becomes a host', { ':path': '@evil.test/' }],
    ['path-query-only', '8.3.1', { ':path': '?x' }],
    ['path-asterisk-get', '8.3.1: for OPTIONS only', { ':path': '*' }],
    ['scheme-unknown', 'neither http nor https', { ':scheme': 'ftp' }],
    ['scheme-crlf', 'Kettle', { ':scheme': 'http\r\nx: y' }],
    ['scheme-url', 'Kettle: a URL prefix', { ':scheme': 'http://evil.test/?' }],
    ['authority-userinfo', '8.3.1: deprecated userinfo', { ':authority': 'user@a.test' }],
    ['authority-space', '10.3', { ':authority': 'a.test b' }],
    ['authority-crlf', 'Kettle', { ':authority': 'a.test\r\nx: y' }],
    ['authority-path', 'no slash in a host', { ':authority': 'a.test/admin' }],
    ['authority-port', 'beyond 65535', { ':authority': 'a.test:70000' }],
    ['authority-two', 'one host', { ':authority': 'a.test,b.test' + '@' }],
    ['protocol-without-connect', 'RFC 8441 4', { ':protocol': 'websocket' }],
    ['connect-with-path', '8.5', { ':method': 'CONNECT' }],
  ]),
  {
    id: 'pseudo-twice-method',
    why: '8.3',
    send: [headers(1, [...PSEUDO, [':method', 'GET']], END)],
    expect: MALFORMED,
  },
  {
    id: 'pseudo-twice-path',
    why: '8.3',
    send: [headers(1, [...PSEUDO, [':path', '/']], END)],
    expect: MALFORMED,
  },
  {
    id: 'pseudo-twice-authority',
    why: '8.3',
    send: [headers(1, [...PSEUDO, [':authority', 'a.test']], END)],
    expect: MALFORMED,
  },
  {
    id: 'pseudo-behind-field',
    why: '8.3',
    send: [headers(1, [...PSEUDO.slice(0, 3), ['x', 'y'], [':authority', 'a.test']], END)],
    expect: MALFORMED,
  },
  {
    id: 'pseudo-in-trailers',
    why: '8.1',
    send: [post(), data(1, 'x'), headers(1, [[':path', '/admin']], END)],
    expect: MALFORMED,
  },
  {
    id: 'pseudo-capital',
    why: '8.2.1',
    send: [headers(1, [[':Method', 'GET'], ...PSEUDO.slice(1)], END)],
    expect: MALFORMED,
  },
  {
    id: 'pseudo-any-order',
    why: '8.3: among themselves in any order',
    send: [headers(1, PSEUDO.toReversed(), END)],
    expect: answered(),
  },
  {
    id: 'pseudo-host-alone',
    why: '8.3.1: Host stands in for :authority',
    send: [get(1, [['host', 'b.test']], { ':authority': null })],
    expect: answered(200, 1, { fields: { host: 'b.test' } }),
  },
  {
    id: 'pseudo-host-same',
    why: '8.3.1',
    send: [get(1, [['host', 'a.test']])],
    expect: answered(200, 1, { fields: { host: 'a.test' } }),
  },
  {
    id: 'pseudo-host-same-in-other-letters',
    why: '8.3.1: the same entity',
    send: [get(1, [['host', 'A.Test']])],
    expect: answered(200, 1, { fields: { host: 'a.test' } }),
  },
  {
    id: 'pseudo-host-differs',
    why: '8.3.1: two authorities in one request',
    send: [get(1, [['host', 'evil.test']])],
    expect: MALFORMED,
  },
  {
    id: 'pseudo-host-twice-differs',
    why: 'two authorities in one request',
    send: [
      get(
        1,
        [
          ['host', 'a.test'],
          ['host', 'b.test'],
        ],
        { ':authority': null },
      ),
    ],
    expect: MALFORMED,
  },
  {
    id: 'pseudo-host-malformed',
    why: 'RFC 9110 7.2',
    send: [get(1, [['host', 'a b']], { ':authority': null })],
    expect: MALFORMED,
  },
  {
    id: 'pseudo-options-asterisk',
    why: '8.3.1',
    send: [get(1, [], { ':method': 'OPTIONS', ':path': '*' })],
    expect: answered(200, 1, { method: 'OPTIONS', target: '*' }),
  },
  {
    id: 'pseudo-path-kept',
    why: 'the path that policy sees is the path that is forwarded',
    send: [get(1, [], { ':path': '//a/../%2e%2F?b=c?d&e=|' })],
    expect: answered(200, 1, { target: '//a/../%2e%2F?b=c?d&e=|' }),
  },
  {
    id: 'pseudo-connect',
    why: 'RFC 9110 9.1: not implemented',
    send: [
      headers(
        1,
        [
          [':method', 'CONNECT'],
          [':authority', 'a.test:443'],
        ],
        END,
      ),
    ],
    expect: answered(501),
  },
  {
    id: 'pseudo-connect-with-scheme',
    why: '8.5',
    send: [
      headers(
        1,
        [
          [':method', 'CONNECT'],
          [':scheme', 'http'],
          [':authority', 'a.test:443'],
        ],
        END,
      ),
    ],
    expect: MALFORMED,
  },
  {
    id: 'pseudo-connect-protocol-unknown',
    why: 'RFC 8441: only WebSocket is known',
    send: [headers(1, pseudo({ ':method': 'CONNECT', ':protocol': 'connect-udp' }), 0)],
    expect: answered(501),
  },
  {
    id: 'pseudo-path-too-long',
    why: 'RFC 9110 15.5.15',
    send: [get(1, [], { ':path': `/${'x'.repeat(16_384)}` })].flatMap(split),
    expect: answered(414),
  },
  {
    id: 'head-too-large',
    why: 'RFC 6585 5',
    send: [headers(1, [...PSEUDO, ...Array.from({ length: 130 }, (_, i): Field => [`x-${i}`, 'y'])], END)],
    expect: answered(431),
  },
];

export const fields: DownstreamCase[] = [
  ...fieldCases('connection-field', [
    ['connection', '8.2.2', ['connection', 'close']],
    ['keep-alive', '8.2.2', ['keep-alive', 'timeout=5']],
    ['proxy-connection', '8.2.2', ['proxy-connection', 'keep-alive']],
    ['transfer-encoding', '8.2.2; H2.TE', ['transfer-encoding', 'chunked']],
    ['transfer-encoding-identity', '8.2.2', ['transfer-encoding', 'identity']],
    ['upgrade', '8.2.2', ['upgrade', 'h2c']],
    ['te-gzip', '8.2.2: trailers only', ['te', 'gzip']],
    ['te-list', '8.2.2: trailers only', ['te', 'trailers, gzip']],
  ]),
  ...fieldCases('name', [
    ['capital', '8.2.1', ['X-Capital', 'a']],
    ['empty', '8.2.1', ['', 'a']],
    ['space', '8.2.1', ['x y', 'a']],
    ['trailing-space', '8.2.1', ['x ', 'a']],
    ['tab', '8.2.1', ['x\t', 'a']],
    ['colon', 'Kettle: a second field', ['transfer-encoding: chunked\r\nx', 'a']],
    ['colon-inside', '8.2.1', ['x:y', 'a']],
    ['crlf', 'Kettle', ['x\r\ny', 'a']],
    ['lf', 'Kettle', ['x\ny', 'a']],
    ['nul', '8.2.1', ['x\0', 'a']],
    ['del', '8.2.1', ['x\x7f', 'a']],
    ['non-ascii', '8.2.1', ['x\xff', 'a']],
  ]),
  ...fieldCases('value', [
    ['crlf', 'Kettle', ['x', 'a\r\ntransfer-encoding: chunked']],
    ['cr', '8.2.1', ['x', 'a\rb']],
    ['lf', '8.2.1', ['x', 'a\nb']],
    ['nul', '8.2.1', ['x', 'a\0b']],
    ['control', '8.2.1', ['x', 'a\x01b']],
    ['del', 'RFC 9110 5.5', ['x', 'a\x7fb']],
    ['leading-space', '8.2.1', ['x', ' a']],
    ['trailing-space', '8.2.1', ['x', 'a ']],
    ['leading-tab', '8.2.1', ['x', '\ta']],
    ['host-crlf', 'Kettle', ['cookie', 'a=b\r\n\r\nGET /evil HTTP/1.1']],
  ]),
  {
    id: 'value-obs-text',
    why: 'RFC 9110 5.5: kept',
    send: [get(1, [['x-text', 'gr\xfc\xdfe\tda']])],
    expect: answered(200, 1, { fields: { 'x-text': 'gr\xfc\xdfe\tda' } }),
  },
  {
    id: 'value-empty',
    why: 'RFC 9110 5.5',
    send: [get(1, [['x-empty', '']])],
    expect: answered(200, 1, { fields: { 'x-empty': '' } }),
  },
  {
    id: 'te-trailers',
    why: '8.2.2; RFC 9110 10.1.4: named by Connection in HTTP/1.1',
    send: [get(1, [['te', 'trailers']])],
    expect: answered(200, 1, { fields: { te: 'trailers', connection: 'te' } }),
  },
  {
    id: 'cookie-crumbs',
    why: '8.2.3: one field in HTTP/1.1',
    send: [
      get(1, [
        ['cookie', 'a=b'],
        ['x', 'y'],
        ['cookie', 'c=d'],
        ['cookie', 'e=f'],
      ]),
    ],
    expect: answered(200, 1, { fields: { cookie: 'a=b; c=d; e=f' } }),
  },
  {
    id: 'expect-unknown',
    why: 'RFC 9110 10.1.1',
    send: [get(1, [['expect', 'miracles']])],
    expect: answered(417),
  },
  {
    id: 'expect-continue-without-body',
    why: 'RFC 9110 10.1.1: nothing to wait for',
    send: [get(1, [['expect', '100-continue']])],
    expect: answered(200, 1, { fields: { expect: null } }),
  },
  {
    id: 'http2-settings',
    why: 'RFC 9113 3.1: of an upgrade that no more is',
    send: [get(1, [['http2-settings', 'AAMAAABkAARAAAAA']])],
    expect: answered(200, 1, { fields: { 'http2-settings': null } }),
  },
];

export const bodies: DownstreamCase[] = [
  ...(
    [
      ['empty', ''],
      ['negative', '-1'],
      ['plus', '+5'],
      ['hex', '0x5'],
      ['fraction', '5.0'],
      ['list', '5, 5'],
      ['huge', '99999999999999999999'],
      ['word', 'five'],
      ['space-inside', '5 5'],
    ] as const
  ).map(
    ([id, value]): DownstreamCase => ({
      id: `length-${id}`,
      why: 'RFC 9110 8.6: digits',
      send: [post(1, [['content-length', value]]), data(1, 'hello', END)],
      expect: MALFORMED,
    }),
  ),
  {
    id: 'length-twice-same',
    why: 'RFC 9110 8.6',
    send: [
      post(1, [
        ['content-length', '5'],
        ['content-length', '5'],
      ]),
      data(1, 'hello', END),
    ],
    expect: MALFORMED,
  },
  {
    id: 'length-twice-differs',
    why: 'H2.CL',
    send: [
      post(1, [
        ['content-length', '5'],
        ['content-length', '0'],
      ]),
      data(1, 'hello', END),
    ],
    expect: MALFORMED,
  },
  {
    id: 'length-less-than-body',
    why: '8.1.1; H2.CL',
    send: [post(1, [['content-length', '0']]), data(1, 'GET /smuggled HTTP/1.1\r\n\r\n', END)],
    expect: MALFORMED,
  },
  {
    id: 'length-less-than-body-later',
    why: '8.1.1; H2.CL',
    send: [post(1, [['content-length', '5']]), data(1, 'hello'), data(1, 'GET /smuggled', END)],
    expect: MALFORMED,
  },
  {
    id: 'length-more-than-body',
    why: '8.1.1; H2.CL',
    send: [post(1, [['content-length', '50']]), data(1, 'hello', END)],
    expect: MALFORMED,
  },
  {
    id: 'length-more-than-body-with-trailers',
    why: '8.1.1',
    send: [post(1, [['content-length', '50']]), data(1, 'hello'), headers(1, [['x', 'y']], END)],
    expect: MALFORMED,
  },
  {
    id: 'length-without-body',
    why: '8.1.1: END_STREAM on the head',
    send: [get(1, [['content-length', '5']])],
    expect: MALFORMED,
  },
  {
    id: 'length-zero-without-body',
    why: '8.1.1',
    send: [get(1, [['content-length', '0']], { ':method': 'POST' })],
    expect: answered(200, 1, { fields: { 'content-length': '0' } }),
  },
  {
    id: 'length-exact',
    why: '8.1.1: padding does not count',
    send: [post(1, [['content-length', '5']]), data(1, 'hel'), data(1, 'lo', END)],
    expect: answered(200, 1, { body: 'hello', fields: { 'content-length': '5', 'transfer-encoding': null } }),
  },
  {
    id: 'body-of-get',
    why: 'a GET body is always framed, or it is the next request',
    send: [headers(1, PSEUDO), data(1, 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n', END)],
    expect: answered(200, 1, {
      body: 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n',
      fields: { 'transfer-encoding': 'chunked' },
    }),
  },
  {
    id: 'body-that-looks-chunked',
    why: 'H2.TE: the bytes of a body are only bytes',
    send: [post(), data(1, '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n', END)],
    expect: answered(200, 1, { body: '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n' }),
  },
  {
    id: 'trailers',
    why: '8.1',
    send: [post(), data(1, 'x'), headers(1, [['x-checksum', '1']], END)],
    expect: answered(200, 1, { body: 'x' }),
  },
  {
    id: 'trailers-alone',
    why: '8.1: behind a body of nothing',
    send: [post(), headers(1, [['x-checksum', '1']], END)],
    expect: answered(200, 1, { body: '' }),
  },
  ...(
    [
      ['transfer-encoding', 'chunked'],
      ['connection', 'close'],
      ['content-length', '7'],
      ['host', 'evil.test'],
      ['X-Capital', 'a'],
      ['x-crlf', 'a\r\nb'],
    ] as const
  ).map(
    ([name, value]): DownstreamCase => ({
      id: `trailers-with-${name.toLowerCase()}`,
      why: '8.1, 8.2.2; RFC 9110 6.5.1',
      send: [post(), data(1, 'x'), headers(1, [[name, value]], END)],
      expect: MALFORMED,
    }),
  ),
];

const CONNECT = pseudo({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat' });

/** The origin of this suite declines every upgrade: what a client sends for the new protocol must not reach it as a request. */
export const tunnels: DownstreamCase[] = [
  {
    id: 'tunnel-declined',
    why: 'RFC 8441 5: the answer of a server that does not switch',
    send: [headers(1, [...CONNECT, ['sec-websocket-version', '13']])],
    expect: answered(200, 1, {
      method: 'GET',
      target: '/chat',
      fields: { upgrade: 'websocket', connection: 'upgrade' },
    }),
  },
  {
    id: 'tunnel-declined-with-early-bytes',
    why: 'a request smuggled as the first bytes of a tunnel that is not there',
    send: [
      headers(1, [...CONNECT, ['sec-websocket-version', '13']]),
      data(1, 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n'),
    ],
    expect: answered(200, 1, { target: '/chat' }),
  },
  {
    id: 'tunnel-declined-with-early-bytes-and-end',
    why: 'the same, complete',
    send: [
      headers(1, [...CONNECT, ['sec-websocket-version', '13']]),
      data(1, 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n', END),
    ],
    expect: answered(200, 1, { target: '/chat' }),
  },
  {
    id: 'tunnel-with-length',
    why: 'a length that only an origin which declines would read',
    send: [
      headers(1, [...CONNECT, ['content-length', '40']]),
      data(1, 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n'),
    ],
    expect: MALFORMED,
  },
  {
    id: 'tunnel-with-key',
    why: 'RFC 8441 5: there is no key; HTTP/1.1 gets one, and only one',
    send: [headers(1, [...CONNECT, ['sec-websocket-key', 'Zm9yZ2VkIGJ5IGNsaWVudA==']])],
    expect: answered(200, 1, { target: '/chat' }),
  },
  {
    id: 'tunnel-without-scheme',
    why: 'RFC 8441 4',
    send: [
      headers(
        1,
        CONNECT.filter(([name]) => name !== ':scheme'),
      ),
    ],
    expect: MALFORMED,
  },
  {
    id: 'tunnel-without-path',
    why: 'RFC 8441 4',
    send: [
      headers(
        1,
        CONNECT.filter(([name]) => name !== ':path'),
      ),
    ],
    expect: MALFORMED,
  },
];

/** A head too long for one frame, cut into HEADERS and CONTINUATION. */
function split(head: Buffer): Buffer[] {
  const payload = head.subarray(9);
  const flags = head[4] as number;
  const cut = (bytes: Buffer, type: number, more: number): Buffer => {
    const header = Buffer.alloc(9);
    header.writeUIntBE(bytes.length, 0, 3);
    header[3] = type;
    header[4] = more;
    header.writeUInt32BE(head.readUInt32BE(5), 5);
    return Buffer.concat([header, bytes]);
  };
  return [cut(payload.subarray(0, 16_000), 1, flags & ~4), cut(payload.subarray(16_000), 9, 4)];
}
