import { type Case, cut, family, forward } from '../case.ts';
import { wire } from '../wire.ts';

const withTrailers = (lines: string) => wire`
  POST / HTTP/1.1
  Host: a.test
  Transfer-Encoding: chunked
  Trailer: X-T

  5
  hello
  0
  ${lines}\

  `;

export const requestTrailers: Case[] = [
  ...family(forward({ body: 'hello' }), withTrailers, [
    ['trailer-none', '', 'RFC 9112 7.1.2'],
    ['trailer-one', 'X-T: 1\r\n', 'RFC 9110 6.5: a trailer travels with the message'],
    ['trailer-several', 'X-T: 1\r\nX-U: 2\r\nX-T: 3\r\n', 'RFC 9112 7.1.2'],
    ['trailer-empty-value', 'X-T:\r\n', 'RFC 9110 5.5'],
    ['trailer-padded', 'X-T: \t1 \t\r\n', 'RFC 9112 5.1'],
    ['trailer-obs-text', 'X-T: \xe2\x82\xac\r\n', 'RFC 9110 5.5'],
    ['trailer-undeclared', 'X-Other: 1\r\n', 'RFC 9110 6.6.2: Trailer is a hint, not a permission'],
  ]),

  ...family(cut(400), withTrailers, [
    ['trailer-space-before-colon', 'X-T : 1\r\n', 'RFC 9112 7.1.2: field lines like any other'],
    ['trailer-no-colon', 'X-T\r\n', 'RFC 9112 7.1.2'],
    ['trailer-empty-name', ': 1\r\n', 'RFC 9110 5.1'],
    ['trailer-folded', 'X-T: 1\r\n 2\r\n', 'RFC 9112 5.2'],
    ['trailer-indented', ' X-T: 1\r\n', 'RFC 9112 5.2'],
    ['trailer-nul', 'X-T: \0\r\n', 'RFC 9110 5.5'],
    ['trailer-bare-lf', 'X-T: 1\nX-U: 2\r\n', 'RFC 9112 2.2'],
    ['trailer-bare-cr', 'X-T: 1\rX-U: 2\r\n', 'RFC 9112 2.2'],
    ['trailer-high-byte-in-name', 'X-\xc4: 1\r\n', 'RFC 9110 5.6.2'],
    [
      'trailer-is-a-request-line',
      'GET /smuggled HTTP/1.1\r\n',
      'HTTP Garden 2024: a trailer section that is skipped unread',
    ],
    [
      'trailer-content-length',
      'Content-Length: 5\r\n',
      'RFC 9110 6.5.1: framing fields must not be trailers',
    ],
    [
      'trailer-transfer-encoding',
      'Transfer-Encoding: chunked\r\n',
      'RFC 9110 6.5.1: framing fields must not be trailers',
    ],
    ['trailer-host', 'Host: b.test\r\n', 'RFC 9110 6.5.1: routing fields must not be trailers'],
  ]),
  // Too large as a head would be (RFC 6585 5), or simply bad: refused either way.
  ...family(cut(400, 431), withTrailers, [
    [
      'trailer-20-kib',
      `X-T: ${'a'.repeat(20_000)}\r\n`,
      'CVE-2023-46589: a trailer over the limit ended the request for one side',
    ],
    ['trailer-2000-fields', 'X-T: 1\r\n'.repeat(2_000), 'RFC 9110 5.4: a section needs a bound'],
  ]),
];
