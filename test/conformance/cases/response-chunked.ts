import { brokenResponse, type Case, relay } from '../case.ts';
import { ASK, answers, lastAnswers } from './responses.ts';

const chunkedAnswer = (body: string) => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;
const END = '\r\n0\r\n\r\n';
const withChunkLine = (line: string) => chunkedAnswer(`${line}\r\nhello${END}`);
const withTrailers = (lines: string) =>
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5\r\nhello\r\n0\r\n${lines}\r\n`;

export const responseChunked: Case[] = [
  ...answers(relay({ body: 'hello' }), withChunkLine, [
    ['answer-chunk-plain', '5', 'RFC 9112 7.1'],
    ['answer-chunk-leading-zeros', '0005', 'RFC 9112 7.1: 1*HEXDIG'],
    ['answer-chunk-extension', '5;a=b;c="d e"', 'RFC 9112 7.1.1'],
    ['answer-chunk-extension-whitespace', '5 ; a = b', 'RFC 9112 7.1.1: BWS'],
  ]),
  ...answers(relay(), chunkedAnswer, [
    ['answer-chunk-several', '5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n', 'RFC 9112 7.1'],
    ['answer-chunk-empty', '0\r\n\r\n', 'RFC 9112 7.1'],
    ['answer-chunk-uppercase-hex', `A\r\n0123456789${END}`, 'RFC 5234 B.1'],
    ['answer-chunk-looks-like-framing', `b\r\n\r\n0\r\n\r\nHTTP${END}`, 'RFC 9112 7.1: octets'],
    [
      'answer-chunk-64-kib',
      `186a0\r\n${'0123456789'.repeat(10_000)}${END}`,
      'a chunk larger than what one read brings',
    ],
  ]),
  ...answers(relay({ body: 'hello' }), withTrailers, [
    ['answer-trailer-one', 'X-T: 1\r\n', 'RFC 9110 6.5: to a client that asked for trailers'],
    ['answer-trailer-several', 'X-T: 1\r\nX-U: 2\r\n', 'RFC 9110 6.5'],
    ['answer-trailer-undeclared', 'X-Other: 1\r\n', 'RFC 9110 6.6.2: Trailer is a hint'],
  ]),
  {
    id: 'answer-trailer-not-asked-for',
    why: 'RFC 9110 6.5.1: may be dropped for a client without TE: trailers; the body stays whole',
    send: 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
    answers: [withTrailers('X-T: 1\r\n')],
    expect: relay({ body: 'hello' }),
  },

  // The head was fine and may be on its way: what is left is to break off, and the client must be able to tell.
  ...answers(brokenResponse({ body: 'hello' }), withChunkLine, [
    ['answer-chunk-size-0x', '0x5', 'RFC 9112 7.1: HEXDIG'],
    ['answer-chunk-size-plus', '+5', 'RFC 9112 7.1: HEXDIG'],
    ['answer-chunk-size-minus', '-5', 'RFC 9112 7.1: HEXDIG'],
    ['answer-chunk-size-letter', '5g', 'RFC 9112 7.1: HEXDIG'],
    ['answer-chunk-size-empty', '', 'RFC 9112 7.1: 1*HEXDIG'],
    ['answer-chunk-size-space-before', ' 5', 'RFC 9112 7.1'],
    ['answer-chunk-size-space-behind', '5 ', 'RFC 9112 7.1: padded sizes of old servers are refused too'],
    ['answer-chunk-size-2-64-plus-5', '10000000000000005', 'RFC 9112 7.1: prevent overflow'],
    ['answer-chunk-size-40-digits', '1'.repeat(40), 'RFC 9112 7.1: prevent overflow'],
    ['answer-chunk-size-nul', '5\0', 'RFC 9112 7.1'],
    ['answer-chunk-extension-bare-lf', '5;a\nb', 'CVE-2025-22871'],
    ['answer-chunk-extension-bare-cr', '5;a\rb', 'Weikop 2025 (funky chunks)'],
    ['answer-chunk-extension-20-kib', `5;a=${'b'.repeat(20_000)}`, 'CVE-2023-39326'],
  ]),
  ...answers(brokenResponse({ body: 'hello' }), chunkedAnswer, [
    ['answer-chunk-line-bare-lf', `5\nhello${END}`, 'RFC 9112 erratum 7633'],
    ['answer-chunk-data-bare-lf-behind', '5\r\nhello\n0\r\n\r\n', 'RFC 9112 7.1'],
    ['answer-chunk-data-nothing-behind', '5\r\nhello0\r\n\r\n', 'RFC 9112 7.1'],
    ['answer-chunk-data-too-long', '5\r\nhello!\r\n0\r\n\r\n', 'RFC 9112 7.1'],
    ['answer-chunk-last-bare-lf', '5\r\nhello\r\n0\n\r\n', 'RFC 9112 7.1'],
    ['answer-chunk-last-is-response', '5\r\nhello\r\nHTTP/1.1 200 OK\r\n\r\n', 'RFC 9112 7.1'],
    ['answer-chunk-not-chunked', 'hello', 'RFC 9112 7.1: a plain body under a chunked head'],
  ]),
  ...answers(brokenResponse({ body: 'hello' }), withTrailers, [
    ['answer-trailer-space-before-colon', 'X-T : 1\r\n', 'RFC 9112 7.1.2'],
    ['answer-trailer-nul', 'X-T: \0\r\n', 'RFC 9110 5.5'],
    ['answer-trailer-bare-lf', 'X-T: 1\nX-U: 2\r\n', 'RFC 9112 2.2'],
    ['answer-trailer-folded', 'X-T: 1\r\n 2\r\n', 'RFC 9112 5.2'],
    ['answer-trailer-length', 'Content-Length: 5\r\n', 'RFC 9110 6.5.1: framing fields must not be trailers'],
    [
      'answer-trailer-coding',
      'Transfer-Encoding: chunked\r\n',
      'RFC 9110 6.5.1: framing fields must not be trailers',
    ],
    ['answer-trailer-20-kib', `X-T: ${'a'.repeat(20_000)}\r\n`, 'RFC 9110 5.4: a section needs a bound'],
  ]),
  ...lastAnswers(
    brokenResponse({ body: 'hello' }),
    chunkedAnswer,
    [
      ['answer-chunk-truncated-in-data', '5\r\nhel', 'RFC 9112 8'],
      [
        'answer-chunk-truncated-behind-data',
        '5\r\nhello\r\n',
        'RFC 9112 8: without its last chunk a body is incomplete',
      ],
      ['answer-chunk-truncated-in-last', '5\r\nhello\r\n0\r\n', 'RFC 9112 8: the empty line is missing'],
      [
        'answer-chunk-truncated-in-trailers',
        '5\r\nhello\r\n0\r\nX-T: 1\r\n',
        'RFC 9112 8: the empty line is missing',
      ],
      ['answer-chunk-truncated-at-once', '', 'RFC 9112 8'],
      ['answer-chunk-size-2-32-plus-5', `100000005\r\nhello${END}`, 'wraps to 5 in 32 bits'],
    ].map(([id = '', body = '', why = '']) => [id, body, why]),
  ),
  {
    id: 'answer-chunk-reset',
    why: 'RFC 9112 8: a reset between two chunks',
    send: ASK,
    answers: [{ bytes: chunkedAnswer('5\r\nhello\r\n'), after: 'reset' }],
    expect: brokenResponse({ body: 'hello' }),
  },
  ...answers(relay({ body: 'hello' }), (behind) => withChunkLine('5') + behind, [
    [
      'answer-chunk-response-behind',
      'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison',
      'RFC 9112 9.2; response queue poisoning',
    ],
    ['answer-chunk-crlf-behind', '\r\n', 'RFC 9112 9.2'],
    ['answer-chunk-chunks-behind', '6\r\npoison\r\n0\r\n\r\n', 'RFC 9112 9.2'],
  ]),
];
