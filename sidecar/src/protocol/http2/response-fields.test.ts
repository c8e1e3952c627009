// test/conformance/http2 has every refusal on the wire; here is what a response becomes.
import { describe, expect, test } from 'vitest';
import { BODY_LENGTH, BODY_NONE, BODY_UNTIL_CLOSE, type Head, RequestHead, ResponseHead } from '../head.ts';
import { HpackDecoder } from './hpack/decoder.ts';
import { block, type Field } from './raw-peer.fixture.ts';
import { ResponseFields, TrailerFields } from './response-fields.ts';

const fields = new ResponseFields();
const OK: Field[] = [[':status', '200']];

function read(sent: readonly Field[], { endStream = false, isHead = false, tunnels = false } = {}) {
  const head = new ResponseHead();
  const asked = new RequestHead();
  asked.isHead = isHead;
  asked.add('sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ==');
  const bytes = block(sent);
  fields.begin(head);
  new HpackDecoder().decode(bytes, 0, bytes.length, fields);
  return { head, accepted: fields.end(asked, tunnels, endStream) };
}

function render(head: Head, from = head.start): string {
  let text = head.bytes.toString('latin1', from, head.fieldsStart);
  for (let row = 0; row < head.rows; row++) {
    if (head.dropped[row] === 0)
      text += head.bytes.toString('latin1', head.lineStart(row), head.lineStart(row + 1));
  }
  return text.replaceAll('\r\n', '|');
}

test.each<[string, Field[], object, number, number]>([
  ['until the end of the stream', OK, {}, BODY_UNTIL_CLOSE, -1],
  ['by its length', [...OK, ['content-length', '5']], {}, BODY_LENGTH, 5],
  ['as none when it is empty', [...OK, ['content-length', '0']], {}, BODY_NONE, 0],
  ['as none when the stream ends', OK, { endStream: true }, BODY_NONE, -1],
  ['as none for HEAD', [...OK, ['content-length', '5']], { isHead: true }, BODY_NONE, 5],
  ['as none for 204', [[':status', '204']], {}, BODY_NONE, -1],
  [
    'as none for 304',
    [
      [':status', '304'],
      ['content-length', '5'],
    ],
    {},
    BODY_NONE,
    5,
  ],
])('the body is framed %s', (_name, sent, options, bodyKind, contentLength) => {
  const { head, accepted } = read(sent, options);
  expect([accepted, head.bodyKind, head.contentLength]).toEqual([true, bodyKind, contentLength]);
});

test.each<[string, Field[], string]>([
  ['a reason that is known', [[':status', '404']], 'HTTP/1.1 404 Not Found|'],
  [
    'no reason that is not',
    [
      [':status', '299'],
      ['x', 'y'],
    ],
    'HTTP/1.1 299 |x: y|',
  ],
  [
    'no length where there is no body',
    [
      [':status', '204'],
      ['content-length', '0'],
    ],
    'HTTP/1.1 204 No Content|',
  ],
  [
    'no length in an interim response',
    [
      [':status', '103'],
      ['content-length', '7'],
      ['link', '<a>'],
    ],
    'HTTP/1.1 103 Early Hints|link: <a>|',
  ],
  ['no challenge of a proxy', [...OK, ['proxy-authenticate', 'Basic']], 'HTTP/1.1 200 OK|'],
])('a response becomes a head with %s', (_name, sent, text) => {
  const { head, accepted } = read(sent);
  expect(accepted).toBe(true);
  expect(render(head)).toBe(text);
});

describe('the answer to an extended CONNECT', () => {
  test('becomes the switch that the client waits for (RFC 6455 section 1.3 has the numbers)', () => {
    const { head } = read([...OK, ['sec-websocket-protocol', 'chat']], { tunnels: true });
    expect(render(head)).toBe(
      'HTTP/1.1 101 OK|sec-websocket-protocol: chat|upgrade: websocket|connection: upgrade|' +
        'sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=|',
    );
    expect([head.status, head.switchesProtocol]).toEqual([101, true]);
  });

  test.each<[string, Field[], object, boolean]>([
    ['that ends', OK, { tunnels: true, endStream: true }, false],
    ['that has a length', [...OK, ['content-length', '0']], { tunnels: true }, false],
    ['that declines', [[':status', '403']], { tunnels: true, endStream: true }, true],
  ])('%s is no switch', (_name, sent, options, forwarded) => {
    const { head, accepted } = read(sent, options);
    expect([accepted, head.switchesProtocol]).toEqual([forwarded, false]);
  });

  test('is none when the upgrade was not passed on', () => {
    expect(read(OK).head.switchesProtocol).toBe(false);
  });
});

describe('trailers', () => {
  const trailers = new TrailerFields();
  const readTrailers = (sent: readonly Field[]): string | null => {
    const bytes = block(sent);
    trailers.begin();
    new HpackDecoder().decode(bytes, 0, bytes.length, trailers);
    const head = trailers.end();
    return head === null ? null : render(head, 0);
  };

  test.each<[string, Field[], string | null]>([
    [
      'are kept',
      [
        ['x-sum', '1'],
        ['grpc-status', '0'],
      ],
      'x-sum: 1|grpc-status: 0|',
    ],
    [
      'lose what must not come late',
      [
        ['x-sum', '1'],
        ['authorization', 'x'],
      ],
      'x-sum: 1|',
    ],
    ['may be none', [], ''],
    ['have no pseudo-headers', [[':status', '200']], null],
    ['have no connection fields', [['connection', 'x']], null],
    ['have no length', [['content-length', '1']], null],
    ['have no host', [['host', 'x']], null],
    ['have no capitals', [['X', 'y']], null],
    ['are bounded', [['x', 'y'.repeat(8_192)]], null],
  ])('%s', (_name, sent, text) => {
    expect(readTrailers(sent)).toBe(text);
  });
});
