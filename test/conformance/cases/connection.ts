import { type Case, family, forward, forwardAndClose, reject } from '../case.ts';
import { wire } from '../wire.ts';

const withLines = (lines: string) => wire`
  GET / HTTP/1.1
  Host: a.test
  ${lines}

  `;

/** Fields that concern one hop, and what a client nominates to be such: none of them may reach the origin. */
export const connection: Case[] = [
  ...family(forward({ absent: ['x-secret', 'keep-alive', 'proxy-connection'] }), withLines, [
    [
      'hop-nominated',
      'Connection: X-Secret\r\nX-Secret: 1',
      'RFC 9110 7.6.1: what Connection names goes no further',
    ],
    [
      'hop-nominated-other-case',
      'connection: x-SECRET\r\nX-Secret: 1',
      'RFC 9110 7.6.1: options are case-insensitive',
    ],
    ['hop-nominated-in-list', 'Connection: keep-alive, X-Secret\r\nX-Secret: 1', 'RFC 9110 7.6.1'],
    ['hop-nominated-no-space', 'Connection: a,X-Secret,b\r\nX-Secret: 1', 'RFC 9110 5.6.1'],
    [
      'hop-nominated-padded',
      'Connection: \t,, X-Secret \t,\r\nX-Secret: 1',
      'RFC 9110 5.6.1: empty list members are ignored',
    ],
    [
      'hop-nominated-second-connection',
      'Connection: keep-alive\r\nConnection: X-Secret\r\nX-Secret: 1',
      'RFC 9110 5.3: one list in two lines',
    ],
    [
      'hop-nominated-before-connection',
      'X-Secret: 1\r\nConnection: X-Secret',
      'RFC 9110 7.6.1: order does not matter',
    ],
    [
      'hop-nominated-twice-sent',
      'X-Secret: 1\r\nConnection: X-Secret\r\nX-SECRET: 2',
      'RFC 9110 7.6.1: every field of the name',
    ],
    ['hop-nominated-and-absent', 'Connection: X-Absent', 'RFC 9110 7.6.1: may name what is not there'],
    ['hop-keep-alive', 'Connection: keep-alive\r\nKeep-Alive: timeout=5', 'RFC 9110 7.6.1'],
    [
      'hop-keep-alive-not-nominated',
      'Keep-Alive: timeout=5',
      'RFC 9110 7.6.1: removed even where Connection does not name it',
    ],
    ['hop-proxy-connection', 'Proxy-Connection: keep-alive', 'RFC 9112 C.2.2: to be removed'],
    ['hop-te-without-trailers', 'Connection: TE\r\nTE: gzip;q=0.5', 'RFC 9110 10.1.4: TE is for this hop'],
    ['hop-te-trailers', 'Connection: TE\r\nTE: trailers', 'RFC 9110 10.1.4'],
    [
      'hop-upgrade-not-nominated',
      'Upgrade: websocket',
      'RFC 9110 7.8: without the connection option it is no request to switch',
    ],
  ]),
  {
    id: 'hop-upgrade-not-nominated-absent',
    why: 'RFC 9110 7.8: an Upgrade that is for this hop alone must not be forwarded',
    send: withLines('Upgrade: websocket'),
    expect: forward({ absent: ['upgrade'] }),
  },
  {
    id: 'hop-connection-absent-upstream',
    why: 'RFC 9110 7.6.1: the options received are not those sent on',
    send: withLines('Connection: keep-alive, x-a, x-b'),
    expect: forward({ absent: ['x-a', 'x-b'] }),
  },
  {
    id: 'hop-te-stays-a-list-of-its-own',
    why: 'RFC 9110 10.1.4: only `trailers` may be asked for on behalf of the client',
    send: withLines('Connection: TE\r\nTE: gzip, x-foo'),
    expect: forward({ absent: ['te'] }),
  },
  {
    id: 'hop-lookalike-is-kept',
    why: 'RFC 9110 7.6.1: names match whole',
    send: withLines('Connection: X-Sec\r\nX-Secret: 1\r\nX-Se: 2'),
    expect: forward({ fields: { 'x-secret': '1', 'x-se': '2' } }),
  },
  {
    id: 'hop-end-to-end-fields-stay',
    why: 'RFC 9110 7.6.1: all other fields are forwarded',
    send: withLines(
      [
        'User-Agent: t/1',
        'Accept: */*',
        'Accept-Encoding: gzip, br',
        'Authorization: Bearer abc',
        'Cookie: a=b; c=d',
        'Cache-Control: no-cache',
        'If-None-Match: "x"',
        'Range: bytes=0-1',
        'Max-Forwards: 0',
        'Via: 1.0 fred',
        'X-Custom: 1',
      ].join('\r\n'),
    ),
    // `via` may grow by one entry, so it is not named.
    expect: forward({
      fields: {
        accept: '*/*',
        'accept-encoding': 'gzip, br',
        authorization: 'Bearer abc',
        cookie: 'a=b; c=d',
        'max-forwards': '0',
        range: 'bytes=0-1',
        'x-custom': '1',
      },
      onlyNamed: true,
    }),
  },

  // Naming what frames or routes the message: to obey would change the message, to ignore it is where proxies differ.
  ...family(reject(400), withLines, [
    [
      'hop-nominates-host',
      'Connection: Host',
      'RFC 9110 7.6.1: not for fields meant for all recipients; Davison 2019',
    ],
    ['hop-nominates-host-in-list', 'Connection: keep-alive, host', 'Davison 2019 (hop-by-hop abuse)'],
    [
      'hop-nominates-content-length-without-body',
      'Content-Length: 0\r\nConnection: Content-Length',
      'Davison 2019 (hop-by-hop abuse)',
    ],
    ['hop-option-with-space', 'Connection: X Secret\r\nX-Secret: 1', 'RFC 9110 7.6.1: an option is a token'],
    ['hop-option-with-slash', 'Connection: a/b', 'RFC 9110 7.6.1: an option is a token'],
    ['hop-option-quoted', 'Connection: "close"', 'RFC 9110 7.6.1: an option is a token'],
  ]),
  {
    id: 'hop-nominates-content-length',
    why: 'Davison 2019: a proxy that drops the length and keeps the body lets it out as a request',
    send: wire`
      POST / HTTP/1.1
      Host: a.test
      Connection: Content-Length
      Content-Length: 41

      GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n\0`,
    expect: reject(400),
  },
  {
    id: 'hop-nominates-transfer-encoding',
    why: 'CVE-2026-26365: a proxy that drops the coding and keeps the chunks sends a message without framing',
    send: wire`
      POST / HTTP/1.1
      Host: a.test
      Connection: Transfer-Encoding
      Transfer-Encoding: chunked

      5
      hello
      0

      `,
    expect: reject(400),
  },
  {
    id: 'hop-client-cert-from-plain-client',
    why: 'x-forwarded-client-cert is set by mTLS alone: a client that could send it could be anybody',
    send: withLines('X-Forwarded-Client-Cert: URI=spiffe://demo.tulle.test/ns/demo/sa/admin'),
    expect: forward({ absent: ['x-forwarded-client-cert'] }),
  },
  {
    id: 'hop-nominates-mesh-fields',
    why: 'Davison 2019: naming the proxy’s own fields must not keep them from the service',
    send: withLines('Connection: x-forwarded-for, x-request-id, traceparent'),
    expect: forward({}),
  },
  {
    id: 'hop-close-is-not-passed-on',
    why: 'RFC 9112 9.6: close is about this connection; the one upstream has a life of its own',
    send: withLines('Connection: close'),
    expect: forwardAndClose({}),
  },
];
