import { abandon, type Case, family, forward, forwardAndClose, forwardThenReject, reject } from '../case.ts';
import { wire } from '../wire.ts';

const withLength = (line: string) => wire`
  POST / HTTP/1.1
  Host: a.test
  ${line}

  hello`;

export const contentLength: Case[] = [
  ...family(forward({ body: 'hello' }), withLength, [
    ['length-plain', 'Content-Length: 5', 'RFC 9110 8.6'],
    ['length-name-case', 'CONTENT-length: 5', 'RFC 9110 5.1'],
    ['length-no-space', 'Content-Length:5', 'RFC 9110 5.5'],
    ['length-padded', 'Content-Length: \t 5 \t', 'RFC 9110 5.5: OWS is no part of the value'],
    [
      'length-among-lookalikes',
      'X-Content-Length: 1\r\nContent-Length: 5\r\nContent-Length-X: 2',
      'RFC 9110 5.1: names match whole',
    ],
  ]),
  {
    id: 'length-leading-zeros',
    why: 'RFC 9110 8.6: 1*DIGIT, decimal whatever it starts with; octal would be 8',
    send: wire`
      POST / HTTP/1.1
      Host: a.test
      Content-Length: 010

      0123456789`,
    expect: forward({ body: '0123456789', fields: { 'content-length': '010' } }),
  },
  {
    id: 'length-zero',
    why: 'RFC 9110 8.6',
    send: wire`
      POST / HTTP/1.1
      Host: a.test
      Content-Length: 0

      `,
    expect: forward({ body: '', fields: { 'content-length': '0' } }),
  },
  {
    id: 'length-absent-on-post',
    why: 'RFC 9112 6.3 rule 7: a request without framing fields has no body',
    send: wire`
      POST / HTTP/1.1
      Host: a.test

      `,
    expect: forward({ body: '' }),
  },
  {
    id: 'length-body-of-all-bytes',
    why: 'RFC 9112 6: a body is octets, nothing in it is looked at',
    send: wire`
      POST / HTTP/1.1
      Host: a.test
      Content-Length: 256

      ${Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('')}`,
    expect: forward(),
  },
  {
    id: 'length-body-on-get',
    why: 'RFC 9110 9.3.1: without meaning, yet framed like any other body',
    send: wire`
      GET / HTTP/1.1
      Host: a.test
      Content-Length: 5

      hello`,
    expect: forward({ method: 'GET', body: 'hello' }),
  },
  {
    id: 'length-body-on-delete',
    why: 'RFC 9110 9.3.5',
    send: wire`
      DELETE /a HTTP/1.1
      Host: a.test
      Content-Length: 5

      hello`,
    expect: forward({ body: 'hello' }),
  },
  {
    id: 'length-on-1-0',
    why: 'RFC 9112 6.2: Content-Length frames in HTTP/1.0 as well',
    send: wire`
      POST / HTTP/1.0
      Host: a.test
      Content-Length: 5

      hello`,
    expect: forwardAndClose({ method: 'POST', target: '/', body: 'hello' }),
  },
  {
    id: 'length-body-64-kib',
    why: 'a body larger than what one read brings',
    send: wire`
      POST / HTTP/1.1
      Host: a.test
      Content-Length: 100000

      ${'0123456789'.repeat(10_000)}`,
    expect: forward(),
  },

  ...family(reject(400), withLength, [
    ['length-empty', 'Content-Length:', 'CVE-2023-40225: an empty length was passed on'],
    ['length-only-spaces', 'Content-Length: \t ', 'RFC 9110 8.6'],
    ['length-plus', 'Content-Length: +5', 'CVE-2022-24801, CVE-2022-24761: number parsers take a sign'],
    ['length-minus', 'Content-Length: -5', 'RFC 9110 8.6; CVE-2022-42252'],
    ['length-minus-zero', 'Content-Length: -0', 'RFC 9110 8.6'],
    ['length-hexadecimal', 'Content-Length: 0x5', 'RFC 9110 8.6: decimal'],
    ['length-hexadecimal-letter', 'Content-Length: a', 'RFC 9110 8.6: decimal'],
    ['length-fraction', 'Content-Length: 5.0', 'RFC 9110 8.6'],
    ['length-exponent', 'Content-Length: 5e0', 'Number() in JavaScript reads 5'],
    ['length-bigint-suffix', 'Content-Length: 5n', 'RFC 9110 8.6'],
    ['length-underscore', 'Content-Length: 0_5', 'int() in Python reads 5; CVE-2022-24761'],
    ['length-binary', 'Content-Length: 0b101', 'Number() in JavaScript reads 5'],
    ['length-infinity', 'Content-Length: Infinity', 'Number() in JavaScript reads a number'],
    ['length-text-behind', 'Content-Length: 5 bytes', 'parseInt() reads 5'],
    ['length-two-numbers', 'Content-Length: 5 5', 'RFC 9110 8.6'],
    ['length-semicolon', 'Content-Length: 5;a=b', 'RFC 9110 8.6: no parameters'],
    ['length-quoted', 'Content-Length: "5"', 'RFC 9110 8.6'],
    [
      'length-list-identical',
      'Content-Length: 5, 5',
      'RFC 9110 8.6 lets a recipient reject or repair; repairing is where two differ',
    ],
    ['length-list-no-space', 'Content-Length: 5,5', 'RFC 9110 8.6'],
    ['length-list-different', 'Content-Length: 5, 0', 'RFC 9112 6.3 rule 5'],
    ['length-list-trailing-comma', 'Content-Length: 5,', 'RFC 9110 8.6'],
    ['length-list-leading-comma', 'Content-Length: ,5', 'RFC 9110 8.6'],
    ['length-nul-behind', 'Content-Length: 5\0', 'RFC 9110 5.5'],
    ['length-vertical-tab', 'Content-Length: \x0b5', 'strtol() skips VT; RFC 9110 5.5'],
    ['length-form-feed', 'Content-Length: 5\x0c', 'trim() removes FF; RFC 9110 5.5'],
    ['length-no-break-space', 'Content-Length: 5\xa0', 'trim() in JavaScript removes U+00A0'],
    ['length-superscript', 'Content-Length: \xb9', 'U+00B9 is a digit to some isdigit()'],
    ['length-arabic-digit', 'Content-Length: \xd9\xa5', 'U+0665 is a digit to \\d in some languages'],
    ['length-fullwidth-digit', 'Content-Length: \xef\xbc\x95', 'U+FF15 is a digit to \\d in some languages'],
    [
      'length-beyond-2-53',
      'Content-Length: 9007199254740993',
      'not representable as a double: it would frame one byte less',
    ],
    ['length-2-63', 'Content-Length: 9223372036854775808', 'RFC 9110 8.6: prevent integer overflow'],
    ['length-2-64-plus-5', 'Content-Length: 18446744073709551621', 'wraps to 5 in 64 bits; RFC 9110 8.6'],
    ['length-40-digits', `Content-Length: ${'1'.repeat(40)}`, 'RFC 9110 8.6'],
    [
      'length-twice-identical',
      'Content-Length: 5\r\nContent-Length: 5',
      'RFC 9110 8.6 lets a recipient reject or repair',
    ],
    [
      'length-twice-different',
      'Content-Length: 5\r\nContent-Length: 0',
      'RFC 9112 6.3 rule 5; Watchfire 2005',
    ],
    [
      'length-twice-smaller-first',
      'Content-Length: 0\r\nContent-Length: 5',
      'RFC 9112 6.3 rule 5; Watchfire 2005',
    ],
    ['length-twice-other-case', 'content-length: 5\r\nX-A: b\r\nCONTENT-LENGTH: 5', 'RFC 9110 5.1'],
    ['length-twice-second-empty', 'Content-Length: 5\r\nContent-Length:', 'CVE-2023-40225'],
    ['length-twice-second-invalid', 'Content-Length: 5\r\nContent-Length: x', 'RFC 9112 6.3 rule 5'],
    ['length-space-before-colon', 'Content-Length : 5', 'RFC 9112 5.1; CVE-2021-22959'],
    ['length-folded', 'Content-Length:\r\n 5', 'RFC 9112 5.2'],
    ['length-fold-extends-number', 'Content-Length: 1\r\n 5', 'RFC 9112 5.2: 1, or 15, or `1 5`'],
    ['length-indented-second', 'X-A: b\r\n Content-Length: 5', 'CVE-2024-27982'],
    ['length-behind-bare-lf', 'X-A: b\nContent-Length: 5', 'CVE-2022-32214'],
    ['length-behind-bare-cr', 'X-A: b\rContent-Length: 5', 'CVE-2023-30589'],
  ]),

  {
    id: 'length-too-small',
    why: 'RFC 9112 11.2: what is behind the declared body is the next request, here an invalid one',
    send: wire`
      POST / HTTP/1.1
      Host: a.test
      Content-Length: 3

      hello\r\n\r\n`,
    expect: forwardThenReject([{ method: 'POST', target: '/', body: 'hel' }], 400),
  },
  {
    id: 'length-missing-with-body',
    why: 'RFC 9112 6.3 rule 7: without framing fields the body is the next request, here an invalid one',
    send: wire`
      POST / HTTP/1.1
      Host: a.test

      hello world\r\n\r\n`,
    expect: forwardThenReject([{ method: 'POST', target: '/', body: '' }], 400),
  },
  {
    id: 'length-truncated',
    why: 'RFC 9112 8: an incomplete request; upstream it must not look complete',
    send: wire`
      POST / HTTP/1.1
      Host: a.test
      Content-Length: 10

      hello`,
    halfClose: true,
    expect: abandon(),
  },
  {
    id: 'length-2-32-plus-5',
    why: 'wraps to 5 in 32 bits; the body is far from complete',
    send: withLength('Content-Length: 4294967301'),
    halfClose: true,
    expect: abandon(),
  },
  {
    id: 'length-2-31-plus-5',
    why: 'negative in signed 32 bits; the body is far from complete',
    send: withLength('Content-Length: 2147483653'),
    halfClose: true,
    expect: abandon(),
  },
];
