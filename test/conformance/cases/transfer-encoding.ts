import { type Case, family, forward, forwardThenReject, reject } from '../case.ts';
import { wire } from '../wire.ts';

const withCoding = (line: string) => wire`
  POST / HTTP/1.1
  Host: a.test
  ${line}

  5
  hello
  0

  `;

export const transferEncoding: Case[] = [
  ...family(forward({ body: 'hello' }), withCoding, [
    ['coding-chunked', 'Transfer-Encoding: chunked', 'RFC 9112 6.1'],
    ['coding-chunked-case', 'Transfer-Encoding: Chunked', 'RFC 9112 7: coding names are case-insensitive'],
    [
      'coding-chunked-uppercase',
      'TRANSFER-ENCODING: CHUNKED',
      'RFC 9112 7: coding names are case-insensitive',
    ],
    ['coding-padded', 'Transfer-Encoding: \t chunked \t', 'RFC 9110 5.5: OWS is no part of the value'],
    ['coding-no-space', 'Transfer-Encoding:chunked', 'RFC 9110 5.5'],
    [
      'coding-among-lookalikes',
      'X-Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked',
      'RFC 9110 5.1: names match whole',
    ],
    [
      'coding-content-encoding-is-no-framing',
      'Content-Encoding: chunked\r\nTransfer-Encoding: chunked',
      'RFC 9110 8.4',
    ],
  ]),

  ...family(reject(501), withCoding, [
    [
      'coding-gzip-chunked',
      'Transfer-Encoding: gzip, chunked',
      'RFC 9112 6.1: a coding not understood should be answered with 501',
    ],
    ['coding-unknown-chunked', 'Transfer-Encoding: x-tulle, chunked', 'RFC 9112 6.1'],
    ['coding-deflate-chunked-no-space', 'Transfer-Encoding: deflate,chunked', 'RFC 9112 6.1'],
  ]),
  // Refused either way; which of the two is the better word for it is open.
  ...family(reject(400, 501), withCoding, [
    [
      'coding-gzip-chunked-two-fields',
      'Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked',
      'RFC 9110 5.3: the same list in two lines',
    ],
    [
      'coding-identity-chunked',
      'Transfer-Encoding: identity, chunked',
      'identity was removed from the registry (RFC 7230 A.2): unknown',
    ],
    [
      'coding-parameter-gzip-chunked',
      'Transfer-Encoding: gzip;q=1, chunked',
      'RFC 9112 7: transfer-parameter',
    ],
  ]),

  // RFC 9112 6.3 rule 4: a request whose last coding is not chunked must be answered with 400.
  ...family(reject(400), withCoding, [
    ['coding-gzip-alone', 'Transfer-Encoding: gzip', 'RFC 9112 6.3 rule 4'],
    [
      'coding-identity-alone',
      'Transfer-Encoding: identity',
      'RFC 9112 6.3 rule 4; once meant “no coding”, so parsers disagree',
    ],
    ['coding-chunked-not-last', 'Transfer-Encoding: chunked, gzip', 'RFC 9112 6.3 rule 4'],
    [
      'coding-chunked-identity',
      'Transfer-Encoding: chunked, identity',
      'RFC 9112 6.3 rule 4; Watchfire 2005',
    ],
    [
      'coding-chunked-twice',
      'Transfer-Encoding: chunked, chunked',
      'RFC 9112 6.1: chunked must not be applied more than once',
    ],
    [
      'coding-chunked-twice-two-fields',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
      'CVE-2020-8287',
    ],
    [
      'coding-chunked-then-identity-field',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
      'CVE-2020-8287; Kettle 2019 (TE.TE)',
    ],
    [
      'coding-chunked-then-unknown-field',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: cow',
      'Kettle 2019 (TE.TE)',
    ],
    [
      'coding-chunked-then-empty-field',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding:',
      'RFC 9112 6.1: exactly chunked, once',
    ],
    ['coding-xchunked', 'Transfer-Encoding: xchunked', 'Kettle 2019 (TE.TE)'],
    ['coding-chunkedx', 'Transfer-Encoding: chunkedx', 'a prefix comparison would accept it'],
    ['coding-chunk', 'Transfer-Encoding: chunk', 'RFC 9112 6.3 rule 4'],
    ['coding-empty', 'Transfer-Encoding:', 'RFC 9112 6.1: no coding is not chunked'],
    ['coding-only-comma', 'Transfer-Encoding: ,', 'RFC 9110 5.6.1: an empty list'],
    [
      'coding-leading-comma',
      'Transfer-Encoding: , chunked',
      'RFC 9110 5.6.1 lets it pass; parsers differ, so it does not',
    ],
    [
      'coding-trailing-comma',
      'Transfer-Encoding: chunked,',
      'RFC 9110 5.6.1 lets it pass; parsers differ, so it does not',
    ],
    [
      'coding-parameter',
      'Transfer-Encoding: chunked;q=1',
      'RFC 9112 7.1: parameters of chunked should be treated as an error',
    ],
    ['coding-trailing-semicolon', 'Transfer-Encoding: chunked;', 'RFC 9112 7.1'],
    ['coding-quoted', 'Transfer-Encoding: "chunked"', 'RFC 9112 7: a token; Kettle 2019'],
    ['coding-single-quoted', "Transfer-Encoding: 'chunked'", 'RFC 9112 6.3 rule 4'],
    ['coding-space-inside', 'Transfer-Encoding: chu nked', 'RFC 9112 7: a token'],
    [
      'coding-two-words',
      'Transfer-Encoding: gzip chunked',
      'RFC 9112 7: a comma between codings; CVE-2022-32213',
    ],
    ['coding-vertical-tab-before', 'Transfer-Encoding: \x0bchunked', 'CVE-2019-18277'],
    ['coding-vertical-tab-behind', 'Transfer-Encoding: chunked\x0b', 'RFC 9110 5.5'],
    ['coding-form-feed-before', 'Transfer-Encoding: \x0cchunked', 'RFC 9110 5.5'],
    ['coding-nul-before', 'Transfer-Encoding: \0chunked', 'RFC 9110 5.5'],
    ['coding-nul-behind', 'Transfer-Encoding: chunked\0', 'RFC 9110 5.5'],
    ['coding-high-byte-before', 'Transfer-Encoding: \xffchunked', 'Kettle 2019 (TE.TE)'],
    ['coding-no-break-space', 'Transfer-Encoding: \xa0chunked', 'trim() in JavaScript removes U+00A0'],
    ['coding-kelvin-sign', 'Transfer-Encoding: chun\xe2\x84\xaaed', 'U+212A in lower case is k'],
    ['coding-dotless-lookalike', 'Transfer-Encoding: \xd1\x81hunked', 'U+0441 looks like c'],
    ['coding-with-colon', 'Transfer-Encoding:: chunked', 'the value is `: chunked`'],
    ['coding-field-in-value', 'Transfer-Encoding: Transfer-Encoding: chunked', 'RFC 9112 7: a token'],
    ['coding-space-before-colon', 'Transfer-Encoding : chunked', 'RFC 9112 5.1; Kettle 2019'],
    ['coding-tab-before-colon', 'Transfer-Encoding\t: chunked', 'RFC 9112 5.1'],
    ['coding-nul-in-name', 'Transfer-Encoding\0: chunked', 'RFC 9110 5.6.2'],
    ['coding-long-s-in-name', 'Tran\xc5\xbffer-Encoding: chunked', 'U+017F in upper case is S'],
    ['coding-folded', 'Transfer-Encoding:\r\n chunked', 'CVE-2022-32215'],
    ['coding-fold-appends', 'Transfer-Encoding: chunked\r\n , identity', 'CVE-2022-32215'],
    ['coding-indented', 'X-A: b\r\n Transfer-Encoding: chunked', 'RFC 9112 5.2; Kettle 2019'],
    ['coding-behind-bare-lf', 'X-A: b\nTransfer-Encoding: chunked', 'CVE-2022-32214; Kettle 2019'],
    ['coding-behind-bare-cr', 'X-A: b\rTransfer-Encoding: chunked', 'CVE-2023-30589'],
    ['coding-behind-lf-cr', 'X-A: b\n\rTransfer-Encoding: chunked', 'RFC 9112 2.2'],
    ['coding-ends-with-bare-cr', 'Transfer-Encoding: chunked\r', 'RFC 9112 2.2'],
    ['coding-first-letter-dropped', 'X-A: b\r\n\rTransfer-Encoding: chunked', 'RFC 9112 2.2'],
  ]),
  {
    id: 'coding-on-1-0',
    why: 'RFC 9112 6.1: Transfer-Encoding in HTTP/1.0 means that the framing is faulty',
    send: wire`
      POST / HTTP/1.0
      Host: a.test
      Transfer-Encoding: chunked

      5
      hello
      0

      `,
    expect: reject(400),
  },
  {
    id: 'coding-with-underscore-does-not-frame',
    why: 'RFC 9110 5.1: transfer_encoding is another field, so the chunks are an invalid next request',
    send: withCoding('Transfer_Encoding: chunked'),
    expect: forwardThenReject([{ method: 'POST', target: '/', body: '' }], 400),
  },
  {
    id: 'coding-on-get',
    why: 'RFC 9112 6.3: framing does not depend on the method',
    send: wire`
      GET / HTTP/1.1
      Host: a.test
      Transfer-Encoding: chunked

      5
      hello
      0

      `,
    expect: forward({ method: 'GET', body: 'hello' }),
  },
];
