import { abandon, type Case, family, forward, forwardAndClose, reject } from '../case.ts';
import { wire } from '../wire.ts';

const get11 = (lines: string) => wire`
  GET / HTTP/1.1
  Host: a.test
  ${lines}

  `;
const get10 = (lines: string) => wire`
  GET / HTTP/1.0
  Host: a.test
  ${lines}

  `;

export const persistence: Case[] = [
  // That the connection stays open is shown by one more request on it, after each of these.
  ...family(forward(), get11, [
    ['keep-alive-by-default', 'X-A: b', 'RFC 9112 9.3: HTTP/1.1 persists'],
    ['keep-alive-asked-for', 'Connection: keep-alive', 'RFC 9112 9.3'],
    ['keep-alive-lookalike-of-close', 'Connection: closed', 'RFC 9110 7.6.1: options match whole'],
    ['keep-alive-close-in-another-field', 'X-Connection: close', 'RFC 9110 5.1: names match whole'],
  ]),
  ...family(forwardAndClose(), get11, [
    ['close-asked-for', 'Connection: close', 'RFC 9112 9.6'],
    ['close-uppercase', 'Connection: CLOSE', 'RFC 9110 7.6.1: options are case-insensitive'],
    ['close-in-list', 'Connection: x-a, close', 'RFC 9110 7.6.1'],
    ['close-no-space-in-list', 'Connection: x-a,close,x-b', 'RFC 9110 5.6.1'],
    ['close-second-field', 'Connection: x-a\r\nConnection: close', 'RFC 9110 5.3'],
    [
      'close-wins-over-keep-alive',
      'Connection: keep-alive, close',
      'RFC 9112 9.3: close comes first in the rules',
    ],
  ]),
  ...family(forwardAndClose({ method: 'GET', target: '/', host: 'a.test' }), get10, [
    ['http10-closes', 'X-A: b', 'RFC 9112 9.3'],
    ['http10-close-asked-for', 'Connection: close', 'RFC 9112 9.3'],
  ]),
  {
    id: 'http10-keep-alive',
    why: 'RFC 9112 9.3 lets a server honour or ignore it; the connection ends as the response says',
    send: get10('Connection: keep-alive'),
    expect: { ...forward({ method: 'GET', target: '/', host: 'a.test' }), connection: 'either' },
  },
  {
    id: 'http10-upstream-is-1-1',
    why: 'RFC 9110 6.2: a proxy sends its own version, and Host belongs to it',
    send: wire`
      POST /a HTTP/1.0
      Host: a.test:80
      X-A: b
      Content-Length: 2

      hi`,
    expect: forwardAndClose({
      method: 'POST',
      target: '/a',
      host: 'a.test:80',
      fields: { 'x-a': 'b' },
      body: 'hi',
    }),
  },
  {
    id: 'http10-chunked-answer',
    why: 'RFC 9112 6.1: Transfer-Encoding is not for a client that speaks HTTP/1.0',
    send: get10('X-A: b'),
    answers: [
      wire`
        HTTP/1.1 200 OK
        Transfer-Encoding: chunked

        5
        hello
        0

        `,
    ],
    expect: forwardAndClose({ method: 'GET', target: '/' }),
  },
  {
    id: 'http10-chunked-answer-with-trailers',
    why: 'RFC 9112 7.1.2: there is no place for them; they are dropped',
    send: get10('X-A: b'),
    answers: [
      wire`
        HTTP/1.1 200 OK
        Transfer-Encoding: chunked

        5
        hello
        0
        X-T: 1

        `,
    ],
    expect: forwardAndClose({ method: 'GET', target: '/' }),
  },
  {
    id: 'http10-interim-answer',
    why: 'RFC 9110 15.2: a 1xx must not be sent to a client that speaks HTTP/1.0',
    send: get10('X-A: b'),
    answers: ['HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    expect: {
      ...forwardAndClose({ method: 'GET', target: '/' }),
      responses: [{ from: 'origin', interim: [] }],
    },
  },
  {
    id: 'http10-pipelined',
    why: 'RFC 9112 9.3.2: nothing behind the last request of a connection is served',
    send: `${get10('X-A: b')}GET /second HTTP/1.0\r\nHost: a.test\r\n\r\n`,
    expect: forwardAndClose({ method: 'GET', target: '/' }),
  },
  {
    id: 'close-ends-the-pipeline',
    why: 'RFC 9112 9.6: a server must not process what follows a request with close',
    send: `${get11('Connection: close')}GET /second HTTP/1.1\r\nHost: a.test\r\n\r\n`,
    expect: forwardAndClose({ target: '/' }),
  },
  {
    id: 'close-of-the-second-request',
    why: 'RFC 9112 9.6: each request decides anew',
    send: `${get11('X-A: b')}${get11('Connection: close')}`,
    expect: forwardAndClose({}, {}),
  },
  {
    id: 'half-close-behind-a-request',
    why: 'RFC 9112 9.6: a client that has sent all it has to send still wants the answer',
    send: get11('X-A: b'),
    halfClose: true,
    expect: { ...forwardAndClose({}), responses: [{ from: 'origin', mayProbe: true }] },
  },
  {
    id: 'half-close-behind-a-pipeline',
    why: 'RFC 9112 9.6: all of them are answered',
    send: `${get11('X-A: b')}${get11('X-A: c')}`,
    halfClose: true,
    expect: {
      ...forwardAndClose({}, {}),
      responses: [
        { from: 'origin', mayProbe: true },
        { from: 'origin', mayProbe: true },
      ],
    },
  },
  {
    id: 'half-close-in-the-head',
    why: 'RFC 9112 8: an incomplete head is no request',
    send: 'GET / HTTP/1.1\r\nHost: a.te',
    halfClose: true,
    expect: { ...abandon(), partial: false },
  },
  {
    id: 'half-close-before-the-empty-line',
    why: 'RFC 9112 8: without the empty line the head is incomplete',
    send: 'GET / HTTP/1.1\r\nHost: a.test\r\n',
    halfClose: true,
    expect: { ...abandon(), partial: false },
  },
  {
    id: 'half-close-at-once',
    why: 'a connection that never carries a request is no error',
    send: '',
    halfClose: true,
    expect: { ...abandon(), partial: false },
  },
  {
    id: 'half-close-in-the-second-head',
    why: 'RFC 9112 8: the first request is complete and is answered',
    send: `${get11('X-A: b')}GET /second HTT`,
    halfClose: true,
    expect: { ...abandon({}), partial: false },
  },
  {
    id: 'close-refused-requests-too',
    why: 'RFC 9112 9.6: behind a refused request nobody knows where the next one starts',
    send: 'BAD\r\n\r\nGET /second HTTP/1.1\r\nHost: a.test\r\n\r\n',
    expect: reject(400),
  },
];
