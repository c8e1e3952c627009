import { badGateway, type Case, family, forward, forwardAndClose, reject, relay } from '../case.ts';
import { wire } from '../wire.ts';

const handshake = (target: string) => wire`
  GET ${target} HTTP/1.1
  Host: a.test
  Connection: Upgrade
  Upgrade: websocket
  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
  Sec-WebSocket-Version: 13

  `;
const SWITCHING = wire`
  HTTP/1.1 101 Switching Protocols
  Connection: Upgrade
  Upgrade: websocket
  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=

  `;
const UPGRADED = {
  fields: { upgrade: 'websocket', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' },
};
const ALL_BYTES = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('');
const switched = () => ({
  ...forward(UPGRADED),
  responses: [{ from: 'origin' as const, fields: { upgrade: 'websocket' } }],
});

export const upgrade: Case[] = [
  {
    id: 'upgrade-switches-after-101',
    why: 'RFC 9110 7.8: after 101 both directions carry the other protocol, untouched',
    send: handshake('/chat'),
    answers: [SWITCHING],
    tunnel: { up: `\x81\x05hello${ALL_BYTES}`, down: `\x81\x05world${ALL_BYTES}` },
    expect: switched(),
  },
  {
    id: 'upgrade-options-in-list',
    why: 'RFC 9110 7.6.1: browsers send keep-alive beside it',
    send: handshake('/chat').replace('Connection: Upgrade', 'Connection: keep-alive, Upgrade'),
    answers: [SWITCHING],
    tunnel: { up: 'ping', down: 'pong' },
    expect: switched(),
  },
  {
    id: 'upgrade-tunnel-that-looks-like-http',
    why: 'RFC 9110 15.2.2: behind 101 nothing is HTTP any more, even if it looks so',
    send: handshake('/chat'),
    answers: [SWITCHING],
    tunnel: { up: 'GET /x HTTP/1.1\r\nHost : bad\r\n\r\n', down: 'HTTP/1.1 200 OK\nbad\r\n\r\n' },
    expect: switched(),
  },
  {
    id: 'upgrade-behind-an-interim-answer',
    why: 'RFC 9110 15.2: a 1xx may come before 101',
    send: handshake('/chat'),
    answers: [{ atHead: 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', bytes: SWITCHING }],
    tunnel: { up: 'ping', down: 'pong' },
    expect: {
      ...switched(),
      responses: [{ from: 'origin', interim: [103], fields: { upgrade: 'websocket' } }],
    },
  },
  {
    id: 'upgrade-behind-a-plain-request',
    why: 'RFC 9112 9.3.2: a connection may have served requests before',
    send: [`GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n`, { until: 'response' }, handshake('/chat')],
    answers: ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', SWITCHING],
    tunnel: { up: 'ping', down: 'pong' },
    expect: {
      ...forward({ target: '/a' }, { target: '/chat', ...UPGRADED }),
      responses: [{ from: 'origin' }, { from: 'origin', fields: { upgrade: 'websocket' } }],
    },
  },
  {
    id: 'upgrade-declined',
    why: 'RFC 9110 7.8: a server may ignore it; HTTP goes on',
    send: handshake('/chat'),
    answers: ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    expect: forward(UPGRADED),
  },
  {
    id: 'upgrade-required',
    why: 'RFC 9110 15.5.22: 426 is an answer like any other; its Upgrade is an offer',
    send: handshake('/chat').replace('Sec-WebSocket-Version: 13', 'Sec-WebSocket-Version: 7'),
    answers: ['HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n'],
    expect: forward(UPGRADED),
  },
  {
    id: 'upgrade-declined-next-request-is-http',
    why: 'WebSocket smuggling (0ang3el 2019): a proxy that does not look at the status tunnels the next request past its policy',
    send: `${handshake('/chat')}GET /second HTTP/1.1\r\nHost: a.test\r\n\r\n`,
    answers: [
      'HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    ],
    expect: forward({ target: '/chat', ...UPGRADED }, { target: '/second' }),
  },
  {
    id: 'upgrade-declined-next-request-is-bad',
    why: 'WebSocket smuggling (0ang3el 2019): what follows a declined switch is parsed as strictly as ever',
    send: [handshake('/chat'), { until: 'response' }, 'GET /second HTTP/1.1\r\nHost : a.test\r\n\r\n'],
    answers: ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    expect: {
      ...forward({ target: '/chat', ...UPGRADED }),
      responses: [{ from: 'origin' }, { from: 'proxy', status: [400], fields: { connection: 'close' } }],
      connection: 'closed',
    },
  },
  {
    id: 'upgrade-with-body-is-not-offered',
    why: 'RFC 9110 7.8: a server may ignore Upgrade; with a body before the switch it is',
    send: handshake('/chat').replace('GET', 'POST').replace('\r\n\r\n', '\r\nContent-Length: 5\r\n\r\nhello'),
    expect: forward({ absent: ['upgrade'], body: 'hello' }),
  },
  {
    id: 'upgrade-h2c-is-not-forwarded',
    why: 'h2c smuggling (Miller 2020): a tunnel of HTTP/2 behind the proxy’s back; without the switch it is a plain request',
    send: wire`
      GET / HTTP/1.1
      Host: a.test
      Connection: Upgrade, HTTP2-Settings
      Upgrade: h2c
      HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA

      `,
    expect: forward({ absent: ['upgrade', 'http2-settings'] }),
  },
  {
    id: 'upgrade-on-1-0',
    why: 'RFC 9110 7.8: must be ignored in an HTTP/1.0 request',
    send: handshake('/').replace('HTTP/1.1', 'HTTP/1.0'),
    expect: forwardAndClose({ method: 'GET', target: '/', absent: ['upgrade'] }),
  },
  ...family(badGateway(), (answer) => answer, [
    [
      'upgrade-101-unasked',
      'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
      'RFC 9110 15.2.2: only in reply to Upgrade',
    ],
    [
      'upgrade-101-asked-for-this-hop',
      'GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\n\r\n',
      'RFC 9110 7.8: without the connection option nobody asked',
    ],
  ]).map((testCase) => ({ ...testCase, answers: [{ bytes: `${SWITCHING}leak` }] })),
  {
    id: 'upgrade-101-other-protocol',
    why: 'RFC 9110 7.8: a server must not switch to a protocol that was not asked for',
    send: handshake('/chat'),
    answers: [{ bytes: SWITCHING.replace('Upgrade: websocket', 'Upgrade: leak') }],
    expect: badGateway(),
  },
  {
    id: 'upgrade-101-without-upgrade-field',
    why: 'RFC 9110 15.2.2: 101 must say which protocol it switches to',
    send: handshake('/chat'),
    answers: [{ bytes: 'HTTP/1.1 101 Switching Protocols\r\nX-Leak: 1\r\n\r\nleak' }],
    expect: badGateway(),
  },
  {
    id: 'upgrade-two-protocols-one-taken',
    why: 'RFC 9110 7.8: a list of protocols, the server picks',
    send: handshake('/chat').replace('Upgrade: websocket', 'Upgrade: x-a/1, websocket'),
    answers: [SWITCHING],
    tunnel: { up: 'ping', down: 'pong' },
    expect: { ...switched(), upstream: [{ fields: { upgrade: 'x-a/1, websocket' } }] },
  },
  {
    id: 'upgrade-with-ambiguous-framing',
    why: 'RFC 9112 6.3: a wish to switch excuses nothing',
    send: handshake('/chat').replace(
      '\r\n\r\n',
      '\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ),
    expect: reject(400),
  },
  {
    id: 'upgrade-answer-without-connection-option',
    why: 'RFC 9110 7.8: an Upgrade in an ordinary answer is an offer for one hop',
    send: 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
    answers: ['HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nok'],
    expect: relay({ absent: ['upgrade'] }),
  },
];
