import { abandon, type Case, cut, family, forward } from '../case.ts';
import { wire } from '../wire.ts';

/** A request whose body starts with the given bytes and goes on as a well-formed end would. */
const withBody = (body: string) => wire`
  POST / HTTP/1.1
  Host: a.test
  Transfer-Encoding: chunked

  ${body}`;

const END = '\r\n0\r\n\r\n';
const withChunkLine = (line: string) => withBody(`${line}\r\nhello${END}`);

export const chunked: Case[] = [
  ...family(forward({ body: 'hello' }), withChunkLine, [
    ['chunk-plain', '5', 'RFC 9112 7.1'],
    ['chunk-leading-zeros', '0005', 'RFC 9112 7.1: 1*HEXDIG'],
    ['chunk-extension-name', '5;a', 'RFC 9112 7.1.1'],
    ['chunk-extension-token', '5;a=b', 'RFC 9112 7.1.1'],
    ['chunk-extension-quoted', '5;a="b c"', 'RFC 9112 7.1.1'],
    [
      'chunk-extension-quoted-semicolon',
      '5;a="b;c=d"',
      'RFC 9110 5.6.4: a semicolon in quotes separates nothing',
    ],
    ['chunk-extension-quoted-pair', '5;a="b\\"c\\\\"', 'RFC 9110 5.6.4: quoted-pair'],
    ['chunk-extension-quoted-empty', '5;a=""', 'RFC 9110 5.6.4'],
    ['chunk-extension-several', '5;a;b=c;d="e"', 'RFC 9112 7.1.1'],
    ['chunk-extension-whitespace', '5 ; a = b', 'RFC 9112 7.1.1: BWS must be parsed'],
    ['chunk-extension-tab', '5\t;\ta\t=\tb', 'RFC 9112 7.1.1: BWS must be parsed'],
    ['chunk-extension-looks-like-size', '5;5', 'RFC 9112 7.1.1: a name of digits'],
    [
      'chunk-extension-200-bytes',
      `5;a=${'b'.repeat(196)}`,
      'RFC 9112 7.1.1: unknown extensions must be ignored',
    ],
  ]),
  ...family(forward({ body: 'hello hello' }), withBody, [
    ['chunk-several', '5\r\nhello\r\n1\r\n \r\n5\r\nhello\r\n0\r\n\r\n', 'RFC 9112 7.1'],
    [
      'chunk-one-byte-each',
      `${[...'hello hello'].map((char) => `1\r\n${char}\r\n`).join('')}0\r\n\r\n`,
      'RFC 9112 7.1',
    ],
    ['chunk-uppercase-hex', 'B\r\nhello hello\r\n0\r\n\r\n', 'RFC 5234 B.1: HEXDIG'],
    ['chunk-lowercase-hex', 'b\r\nhello hello\r\n0\r\n\r\n', 'RFC 5234: literals are case-insensitive'],
    ['chunk-last-many-zeros', 'b\r\nhello hello\r\n0000\r\n\r\n', 'RFC 9112 7.1: last-chunk = 1*("0")'],
    ['chunk-last-with-extension', 'b\r\nhello hello\r\n0;a=b\r\n\r\n', 'RFC 9112 7.1'],
  ]),
  {
    id: 'chunk-empty-body',
    why: 'RFC 9112 7.1: *chunk',
    send: withBody('0\r\n\r\n'),
    expect: forward({ body: '' }),
  },
  {
    id: 'chunk-data-looks-like-framing',
    why: 'RFC 9112 7.1: chunk-data is octets, CRLF and `0` included',
    send: withBody(`b\r\n\r\n0\r\n\r\nGET ${END}`),
    expect: forward({ body: '\r\n0\r\n\r\nGET ' }),
  },
  {
    id: 'chunk-data-all-bytes',
    why: 'RFC 9112 7.1: 1*OCTET',
    send: withBody(`100\r\n${Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('')}${END}`),
    expect: forward(),
  },
  {
    id: 'chunk-data-64-kib',
    why: 'a chunk larger than what one read brings',
    send: withBody(`186a0\r\n${'0123456789'.repeat(10_000)}${END}`),
    expect: forward(),
  },

  ...family(cut(400), withChunkLine, [
    ['chunk-size-prefix-0x', '0x5', 'CVE-2022-24801: strtol() and int() take 0x'],
    ['chunk-size-prefix-x', 'x5', 'RFC 9112 7.1: HEXDIG'],
    ['chunk-size-suffix-h', '5h', 'RFC 9112 7.1: HEXDIG'],
    ['chunk-size-plus', '+5', 'CVE-2022-24801: a sign'],
    ['chunk-size-minus', '-5', 'RFC 9112 7.1: HEXDIG'],
    ['chunk-size-minus-zero', '-0', 'RFC 9112 7.1: HEXDIG'],
    ['chunk-size-underscore', '0_5', 'int() in Python takes underscores; HTTP Garden 2024'],
    ['chunk-size-fraction', '5.0', 'RFC 9112 7.1: HEXDIG'],
    ['chunk-size-letter-g', '5g', 'RFC 9112 7.1: HEXDIG'],
    ['chunk-size-empty', '', 'RFC 9112 7.1: 1*HEXDIG; an empty size read as 0 would end the body'],
    ['chunk-size-missing-with-extension', ';a=b', 'RFC 9112 7.1: 1*HEXDIG'],
    ['chunk-size-space-before', ' 5', 'RFC 9112 7.1: no leading whitespace'],
    ['chunk-size-tab-before', '\t5', 'RFC 9112 7.1: no leading whitespace'],
    ['chunk-size-space-behind', '5 ', 'RFC 9112 7.1: whitespace only in front of an extension'],
    ['chunk-size-tab-behind', '5\t', 'RFC 9112 7.1: whitespace only in front of an extension'],
    ['chunk-size-two-numbers', '5 5', 'RFC 9112 7.1'],
    ['chunk-size-comma', '5,a', 'RFC 9112 7.1.1: a semicolon starts an extension'],
    ['chunk-size-nul-behind', '5\0', 'RFC 9112 7.1'],
    ['chunk-size-nul-before', '\x005', 'RFC 9112 7.1'],
    ['chunk-size-vertical-tab', '\x0b5', 'strtol() skips VT'],
    ['chunk-size-high-byte', '5\xa0', 'trim() in JavaScript removes U+00A0'],
    ['chunk-size-fullwidth-digit', '\xef\xbc\x95', 'U+FF15 is a digit to some parsers'],
    ['chunk-size-2-64-plus-5', '10000000000000005', 'RFC 9112 7.1: prevent overflow; wraps to 5 in 64 bits'],
    ['chunk-size-2-53-plus-5', '20000000000005', 'RFC 9112 7.1: prevent precision loss'],
    ['chunk-size-all-f', 'ffffffffffffffff', 'RFC 9112 7.1: -1 in signed 64 bits'],
    ['chunk-size-40-digits', '1'.repeat(40), 'RFC 9112 7.1: prevent overflow'],
    [
      'chunk-size-300-zeros',
      `${'0'.repeat(300)}5`,
      'RFC 9112 7.1 sets no bound; a line that never ends needs one',
    ],
    ['chunk-size-ends-with-bare-cr', '5\rx', 'RFC 9112 2.2'],
    ['chunk-size-ends-with-cr-cr-lf', '5\r', 'RFC 9112 2.2; Kallus 2024'],
    ['chunk-extension-empty', '5;', 'RFC 9112 7.1.1: a name is not optional'],
    ['chunk-extension-empty-between', '5;;a', 'RFC 9112 7.1.1: a name is not optional'],
    ['chunk-extension-empty-value', '5;a=', 'RFC 9112 7.1.1: a value is not empty'],
    [
      'chunk-extension-unclosed-quote',
      '5;a="b',
      'RFC 9110 5.6.4: CRLF does not belong in quotes, nor does a missing end',
    ],
    ['chunk-extension-text-behind-quote', '5;a="b"c', 'RFC 9112 7.1.1'],
    ['chunk-extension-two-names', '5;a b', 'RFC 9112 7.1.1'],
    ['chunk-extension-nul', '5;a\0b', 'RFC 9112 7.1.1: tchar'],
    ['chunk-extension-nul-quoted', '5;a="\0"', 'RFC 9110 5.6.4: qdtext'],
    ['chunk-extension-bare-cr', '5;a\rb', 'Weikop 2025 (funky chunks)'],
    ['chunk-extension-bare-lf', '5;a\nb', 'CVE-2025-55315, CVE-2025-22871: for some the LF ends the line'],
    ['chunk-extension-bare-lf-at-once', '5;\nb', 'Weikop 2025 (TERM.EXT)'],
    ['chunk-extension-bare-cr-quoted', '5;a="\r"', 'RFC 9110 5.6.4: qdtext'],
    ['chunk-extension-bare-lf-quoted', '5;a="\n"', 'RFC 9110 5.6.4: qdtext'],
    ['chunk-extension-crlf-quoted', '5;a="\r\n"', 'RFC 9110 5.6.4: qdtext; the line ends in the quotes'],
    ['chunk-extension-escape', '5;a=\x1b', 'RFC 9112 7.1.1: tchar'],
    ['chunk-extension-del', '5;a=\x7f', 'RFC 9112 7.1.1: tchar'],
    [
      'chunk-extension-20-kib',
      `5;a=${'b'.repeat(20_000)}`,
      'CVE-2023-39326, CVE-2024-22019: extensions without bound cost memory and time',
    ],
  ]),
  ...family(cut(400), withBody, [
    [
      'chunk-line-bare-lf',
      `5\nhello${END}`,
      'RFC 9112 erratum 7633: CRLF only, the leniency of 2.2 is for heads; CVE-2025-22871',
    ],
    ['chunk-data-bare-lf-behind', '5\r\nhello\n0\r\n\r\n', 'RFC 9112 7.1: CRLF behind the data'],
    ['chunk-data-bare-cr-behind', '5\r\nhello\r0\r\n\r\n', 'RFC 9112 7.1: CRLF behind the data'],
    ['chunk-data-lf-cr-behind', '5\r\nhello\n\r0\r\n\r\n', 'RFC 9112 7.1: CRLF behind the data'],
    ['chunk-data-nothing-behind', '5\r\nhello0\r\n\r\n', 'RFC 9112 7.1: CRLF behind the data'],
    [
      'chunk-data-two-bytes-behind',
      '5\r\nhelloxx0\r\n\r\n',
      'Weikop 2025 (SPILL.TERM): two bytes skipped unseen',
    ],
    ['chunk-data-longer-than-size', '3\r\nhello\r\n0\r\n\r\n', 'RFC 9112 7.1'],
    ['chunk-data-one-longer', '5\r\nhello!\r\n0\r\n\r\n', 'RFC 9112 7.1'],
    [
      'chunk-data-shorter-than-size',
      '7\r\nhello\r\n0\r\n\r\n',
      'RFC 9112 7.1: the data takes the CRLF, what follows is no CRLF',
    ],
    ['chunk-extra-crlf-between', '5\r\nhello\r\n\r\n0\r\n\r\n', 'RFC 9112 7.1: an empty size'],
    ['chunk-extra-crlf-before', '\r\n5\r\nhello\r\n0\r\n\r\n', 'RFC 9112 7.1: an empty size'],
    ['chunk-last-bare-lf', '5\r\nhello\r\n0\n\r\n', 'RFC 9112 7.1'],
    ['chunk-last-ends-with-bare-lf', '5\r\nhello\r\n0\r\n\n', 'RFC 9112 7.1'],
    ['chunk-last-ends-with-bare-cr', '5\r\nhello\r\n0\r\n\rX', 'RFC 9112 7.1'],
    ['chunk-last-cr-cr-lf', '5\r\nhello\r\n0\r\r\n\r\n', 'RFC 9112 7.1'],
    ['chunk-last-minus-zero', '5\r\nhello\r\n-0\r\n\r\n', 'RFC 9112 7.1'],
    ['chunk-last-0x0', '5\r\nhello\r\n0x0\r\n\r\n', 'RFC 9112 7.1'],
    ['chunk-last-empty', '5\r\nhello\r\n\r\n\r\n', 'RFC 9112 7.1'],
    ['chunk-body-is-not-chunked', 'hello world, no chunks here\r\n\r\n', 'RFC 9112 7.1'],
    ['chunk-body-is-a-request', 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n', 'RFC 9112 11.2'],
  ]),

  ...withHalfClose([
    [
      'chunk-truncated-in-data',
      '5\r\nhel',
      'RFC 9112 8: a chunked body without its last chunk is incomplete',
    ],
    ['chunk-truncated-behind-data', '5\r\nhello\r\n', 'RFC 9112 8'],
    ['chunk-truncated-in-size', '5\r\nhello\r\n1', 'RFC 9112 8'],
    [
      'chunk-truncated-in-last',
      '5\r\nhello\r\n0\r\n',
      'RFC 9112 8: the empty line behind the trailers is missing',
    ],
    ['chunk-truncated-before-data', '', 'RFC 9112 8'],
    [
      'chunk-size-2-32-plus-5',
      `100000005\r\nhello${END}`,
      'wraps to 5 in 32 bits; the chunk is far from complete',
    ],
    [
      'chunk-size-2-31',
      `80000000\r\nhello${END}`,
      'negative in signed 32 bits; the chunk is far from complete',
    ],
  ]),
];

function withHalfClose(rows: [id: string, body: string, why: string][]): Case[] {
  return family(abandon(), withBody, rows).map((testCase) => ({ ...testCase, halfClose: true }));
}
