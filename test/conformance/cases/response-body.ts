import { badGateway, brokenResponse, type Case, type Expectation, relay } from '../case.ts';
import { answers } from './response-head.ts';

/** Where the body of a response ends: RFC 9112 6.3, and what must not be forwarded because it has two ends. */
const withFraming = (lines: string) => `HTTP/1.1 200 OK\r\n${lines}\r\n\r\nok`;
const withChunks = (chunks: string) => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`;

export const responseBody: Case[] = [
  ...answers(relay({ body: 'ok' }), withFraming, [
    ['response-length', 'Content-Length: 2', 'RFC 9112 6.3'],
    ['response-length-padded', 'Content-Length: \t2 ', 'RFC 9110 5.5'],
  ]),
  ...answers(badGateway(), withFraming, [
    [
      'response-length-twice',
      'Content-Length: 2\r\nContent-Length: 2',
      'RFC 9112 6.3: refused even when equal',
    ],
    ['response-length-two-values', 'Content-Length: 2, 2', 'RFC 9112 6.3'],
    [
      'response-length-conflict',
      'Content-Length: 2\r\nContent-Length: 3',
      'RFC 9112 6.3: response splitting',
    ],
    ['response-length-signed', 'Content-Length: +2', 'RFC 9110 8.6: digits only'],
    ['response-length-negative', 'Content-Length: -2', 'RFC 9110 8.6: digits only'],
    ['response-length-hex', 'Content-Length: 0x2', 'RFC 9110 8.6: digits only'],
    ['response-length-empty', 'Content-Length:', 'RFC 9110 8.6: digits only'],
    ['response-length-decimal', 'Content-Length: 2.0', 'RFC 9110 8.6: digits only'],
    ['response-length-huge', 'Content-Length: 99999999999999999999', 'RFC 9110 8.6: beyond exact integers'],
    ['response-length-words', 'Content-Length: 2 bytes', 'RFC 9110 8.6: digits only'],
    ['response-length-and-chunked', 'Content-Length: 2\r\nTransfer-Encoding: chunked', 'RFC 9112 6.3'],
    ['response-chunked-and-length', 'Transfer-Encoding: chunked\r\nContent-Length: 2', 'RFC 9112 6.3'],
    ['response-chunked-twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', 'RFC 9112 6.1'],
    ['response-chunked-listed-twice', 'Transfer-Encoding: chunked, chunked', 'RFC 9112 6.1'],
    ['response-coding-unknown', 'Transfer-Encoding: xchunked', 'RFC 9112 6.1'],
    ['response-coding-identity', 'Transfer-Encoding: identity', 'RFC 9112 7: no longer a coding'],
    ['response-coding-gzip', 'Transfer-Encoding: gzip', 'RFC 9112 6.1: not asked for by TE'],
    ['response-coding-gzip-chunked', 'Transfer-Encoding: gzip, chunked', 'RFC 9112 6.1: not asked for by TE'],
    ['response-coding-empty', 'Transfer-Encoding:', 'RFC 9112 6.1'],
  ]),

  ...answers(relay({ body: 'hello' }), withChunks, [
    ['response-chunks', '5\r\nhello\r\n0\r\n\r\n', 'RFC 9112 7.1'],
    ['response-two-chunks', '2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n', 'RFC 9112 7.1'],
    ['response-chunk-hex', '00005\r\nhello\r\n000\r\n\r\n', 'RFC 9112 7.1: leading zeros'],
    ['response-chunk-extension', '5;a=b\r\nhello\r\n0;c="d;\\"e"\r\n\r\n', 'RFC 9112 7.1.1: dropped'],
  ]),
  ...answers(relay({ body: '' }), withChunks, [['response-chunks-empty', '0\r\n\r\n', 'RFC 9112 7.1']]),
  ...answers(relay({ body: 'hello', trailers: { 'x-t': '1' } }), withChunks, [
    ['response-trailer', '5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n', 'RFC 9112 7.1.2'],
  ]),
  ...answers(brokenResponse({ body: 'hello' }), withChunks, [
    ['response-chunk-size-letters', '5\r\nhello\r\nxyz\r\n\r\n', 'RFC 9112 7.1'],
    ['response-chunk-size-empty', '5\r\nhello\r\n\r\n\r\n', 'RFC 9112 7.1'],
    ['response-chunk-size-prefix', '5\r\nhello\r\n0x1\r\na\r\n0\r\n\r\n', 'RFC 9112 7.1'],
    ['response-chunk-size-signed', '5\r\nhello\r\n-1\r\na\r\n0\r\n\r\n', 'RFC 9112 7.1'],
    ['response-chunk-size-overflow', '5\r\nhello\r\nfffffffffffffffff\r\n', 'RFC 9112 7.1: integer overflow'],
    ['response-chunk-without-end', '5\r\nhelloXX0\r\n\r\n', 'RFC 9112 7.1: data must end with CRLF'],
    ['response-chunk-bare-lf', '5\nhello\n0\n\n', 'RFC 9112 7.1'],
    ['response-chunk-extension-bare-cr', '5\r\nhello\r\n1;a\rb\r\nx\r\n0\r\n\r\n', 'RFC 9112 7.1.1'],
    ['response-trailer-malformed', '5\r\nhello\r\n0\r\nX T: 1\r\n\r\n', 'RFC 9112 5'],
  ]),
  ...cutOff(brokenResponse(), [
    ['response-body-short', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok', 'RFC 9112 8: incomplete'],
    [
      'response-chunks-short',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
      'RFC 9112 8: incomplete',
    ],
    [
      'response-last-chunk-short',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n',
      'RFC 9112 8: incomplete',
    ],
  ]),
  ...cutOff(badGateway(), [
    ['response-nothing', '', 'RFC 9112 8: the origin hung up'],
    ['response-head-short', 'HTTP/1.1 200 OK\r\nContent-Le', 'RFC 9112 8: incomplete'],
    ['response-status-line-short', 'HTTP/1.', 'RFC 9112 8: incomplete'],
    ['response-interim-only', 'HTTP/1.1 100 Continue\r\n\r\n', 'RFC 9110 15.2: a final response is due'],
  ]).map((testCase) =>
    testCase.id === 'response-interim-only'
      ? { ...testCase, expect: badGateway({ interim: [100] }) }
      : testCase,
  ),
  ...cutOff(relay({ body: 'ok' }), [
    ['response-until-close', 'HTTP/1.1 200 OK\r\n\r\nok', 'RFC 9112 6.3: ends with the connection'],
    ['response-1-0-until-close', 'HTTP/1.0 200 OK\r\n\r\nok', 'RFC 9112 6.3: ends with the connection'],
    [
      'response-close-with-length',
      'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
      'RFC 9112 9.6',
    ],
  ]),
  ...answers(relay({ body: '' }), (status) => `HTTP/1.1 ${status}\r\n\r\n`, [
    ['response-204', '204 No Content', 'RFC 9112 6.3: never a body'],
    ['response-304', '304 Not Modified', 'RFC 9112 6.3: never a body'],
  ]),
  {
    id: 'response-304-with-length',
    why: 'RFC 9110 8.6: the length that a 200 would have had',
    send: 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
    answers: ['HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n'],
    expect: relay({ body: '' }),
  },
  {
    id: 'response-head-with-length',
    why: 'RFC 9110 9.3.2: fields of a GET, no body',
    send: 'HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n',
    answers: ['HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n'],
    expect: relay({ toHead: true, fields: { 'content-length': '500' } }),
  },
  {
    id: 'response-head-chunked',
    why: 'RFC 9112 6.1: a coding in answer to HEAD announces no body',
    send: 'HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n',
    answers: ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
    expect: relay({ toHead: true }),
  },
  {
    id: 'response-1-0-chunked',
    why: 'RFC 9112 6.1: a coding in HTTP/1.0 is faulty framing',
    send: 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
    answers: ['HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
    expect: badGateway(),
  },
  {
    id: 'response-extra-bytes',
    why: 'RFC 9112 9.2: what was not asked for is no response to the next request',
    send: 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
    answers: [
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison',
    ],
    expect: relay({ body: 'ok' }),
  },
];

/** As `answers`, with a connection that ends behind the answer. */
function cutOff(expect: Expectation, rows: [id: string, bytes: string, why: string][]): Case[] {
  return rows.map(([id, bytes, why]) => ({
    id,
    why,
    send: 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
    answers: [{ bytes, after: 'end' }],
    expect,
  }));
}
