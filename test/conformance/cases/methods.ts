import { type Case, family, forward, forwardThenReject, reject, relay } from '../case.ts';
import { wire } from '../wire.ts';

const withLine = (line: string) => wire`
  ${line}
  Host: a.test

  `;
const HEAD = withLine('HEAD / HTTP/1.1');

export const methods: Case[] = [
  ...family(forward(), withLine, [
    ['method-options-asterisk', 'OPTIONS * HTTP/1.1', 'RFC 9112 3.2.4'],
    ['method-options-path', 'OPTIONS /a HTTP/1.1', 'RFC 9110 9.3.7'],
    ['method-trace', 'TRACE /a HTTP/1.1', 'RFC 9110 9.3.8: whether TRACE is wanted is policy, not syntax'],
    ['method-put', 'PUT /a HTTP/1.1', 'RFC 9110 9.3.4'],
    ['method-patch', 'PATCH /a HTTP/1.1', 'RFC 5789'],
    ['method-delete', 'DELETE /a HTTP/1.1', 'RFC 9110 9.3.5'],
    ['method-query', 'QUERY /a HTTP/1.1', 'a method registered after this proxy was written'],
  ]),
  {
    id: 'method-options-absolute-without-path',
    why: 'RFC 9112 3.2.4: the last proxy must send the asterisk-form',
    send: withLine('OPTIONS http://a.test HTTP/1.1'),
    expect: forward({ target: '*' }),
  },
  {
    id: 'method-options-absolute-with-slash',
    why: 'RFC 9112 3.2.4: a path of `/` is a path',
    send: withLine('OPTIONS http://a.test/ HTTP/1.1'),
    expect: forward({ target: '/' }),
  },
  {
    id: 'method-max-forwards-zero-is-forwarded',
    why: 'RFC 9110 7.6.2: only TRACE and OPTIONS give it a meaning, and a mesh hop is no hop of theirs',
    send: withLine('GET / HTTP/1.1\r\nMax-Forwards: 0'),
    expect: forward({ fields: { 'max-forwards': '0' } }),
  },

  ...family(reject(501), withLine, [
    [
      'method-connect',
      'CONNECT a.test:443 HTTP/1.1',
      'RFC 9110 9.1: not implemented; what follows would be a tunnel',
    ],
    ['method-connect-path', 'CONNECT / HTTP/1.1', 'RFC 9112 3.2.3; some origins answer it as a path'],
    ['method-connect-absolute', 'CONNECT http://a.test/ HTTP/1.1', 'RFC 9112 3.2.3'],
  ]),
  {
    id: 'method-connect-with-early-data',
    why: 'RFC 9110 9.3.6: what follows CONNECT is not a request, and is not forwarded',
    send: `${withLine('CONNECT a.test:443 HTTP/1.1')}GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n`,
    expect: reject(501),
  },
  {
    id: 'method-connect-lowercase',
    why: 'RFC 9110 9.1: methods are case-sensitive, `connect` is none that opens a tunnel',
    send: withLine('connect / HTTP/1.1'),
    expect: forward(),
  },
  {
    id: 'method-options-asterisk-with-query',
    why: 'RFC 9112 3.2.4: a single asterisk',
    send: withLine('OPTIONS *?a HTTP/1.1'),
    expect: reject(400),
  },
  {
    id: 'method-options-two-asterisks',
    why: 'RFC 9112 3.2.4: a single asterisk',
    send: withLine('OPTIONS ** HTTP/1.1'),
    expect: reject(400),
  },

  {
    id: 'method-head-with-length',
    why: 'RFC 9110 9.3.2: the length the answer to GET would have, and no bytes',
    send: HEAD,
    answers: ['HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n'],
    expect: forward(),
  },
  {
    id: 'method-head-without-length',
    why: 'RFC 9112 6.3 rule 1: ends with its head; it does not last until close',
    send: HEAD,
    answers: ['HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n'],
    expect: forward(),
  },
  {
    id: 'method-head-chunked',
    why: 'RFC 9112 6.1: Transfer-Encoding may be in the answer to HEAD, without chunks',
    send: HEAD,
    answers: ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
    expect: forward(),
  },
  {
    id: 'method-head-404',
    why: 'RFC 9110 9.3.2: whatever the status',
    send: HEAD,
    answers: ['HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n'],
    expect: forward(),
  },
  {
    id: 'method-head-with-body',
    why: 'RFC 9110 9.3.2: an origin that sends a body all the same; it must not become the answer to the next request',
    send: HEAD,
    answers: [
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    ],
    expect: relay({ body: '' }),
  },
  {
    id: 'method-head-with-smuggled-response',
    why: 'Kettle 2022: the body of an answer to HEAD that is a response itself',
    send: HEAD,
    answers: [
      'HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison',
    ],
    expect: relay({ body: '' }),
  },
  {
    id: 'method-head-lowercase-has-a-body',
    why: 'RFC 9110 9.1: `head` is another method, its answer is framed like any other',
    send: withLine('head / HTTP/1.1'),
    expect: relay({ body: 'ok' }),
  },
  {
    id: 'method-head-refused-has-no-body',
    why: 'RFC 9110 9.3.2: the proxy’s own answer to HEAD has no body either',
    send: 'HEAD / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n',
    expect: {
      ...reject(400),
      responses: [{ from: 'proxy', status: [400], fields: { connection: 'close' }, toHead: true }],
    },
  },
  {
    id: 'method-head-with-request-body',
    why: 'RFC 9110 9.3.2: framed like any other request',
    send: wire`
      HEAD / HTTP/1.1
      Host: a.test
      Content-Length: 5

      hello`,
    answers: ['HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n'],
    expect: forward({ body: 'hello' }),
  },
  {
    id: 'method-get-with-undeclared-body',
    why: 'RFC 9112 6.3 rule 7: what follows is the next request',
    send: `${withLine('GET /a HTTP/1.1')}a=b&c=d\r\n\r\n`,
    expect: forwardThenReject([{ target: '/a', body: '' }], 400),
  },
];
