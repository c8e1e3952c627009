import { type Case, family, forward, reject } from '../case.ts';
import { wire } from '../wire.ts';

const withLine = (line: string) => wire`
  GET / HTTP/1.1
  Host: a.test
  ${line}

  `;

const OBS_TEXT = Array.from({ length: 0x80 }, (_, i) => String.fromCharCode(0x80 + i)).join('');

export const headerSyntax: Case[] = [
  ...family(forward(), withLine, [
    ['header-plain', 'X-A: b', 'RFC 9112 5'],
    ['header-no-space-after-colon', 'X-A:b', 'RFC 9112 5: OWS is optional'],
    ['header-empty-value', 'X-A:', 'RFC 9110 5.5: *field-content'],
    ['header-only-spaces-as-value', 'X-A: \t ', 'RFC 9110 5.5: an empty value with OWS'],
    ['header-padded-value', 'X-A: \t b \t ', 'RFC 9112 5.1: OWS is excluded from the value'],
    ['header-tab-after-colon', 'X-A:\tb', 'RFC 9110 5.6.3: OWS includes HTAB'],
    ['header-spaces-inside-value', 'X-A: b  c', 'RFC 9110 5.5: inner whitespace is part of the value'],
    ['header-tab-inside-value', 'X-A: b\tc', 'RFC 9110 5.5: HTAB is allowed between field-vchars'],
    ['header-colon-in-value', 'X-A: b: c', 'RFC 9112 5: the first colon ends the name'],
    ['header-colons-only', 'X-A:::', 'RFC 9112 5: the first colon ends the name'],
    ['header-quotes-unbalanced', 'X-A: "b', 'RFC 9110 5.5: quotes mean nothing to framing'],
    [
      'header-value-all-visible',
      `X-A: ${String.fromCharCode(...Array.from({ length: 94 }, (_, i) => 0x21 + i))}`,
      'RFC 9110 5.5: VCHAR',
    ],
    [
      'header-value-obs-text',
      `X-A: ${OBS_TEXT}`,
      'RFC 9110 5.5: bytes 0x80 to 0xff are opaque, passed as they are',
    ],
    ['header-value-utf8', 'X-A: \xe2\x82\xac', 'RFC 9110 5.5: obs-text'],
    [
      'header-value-invalid-utf8',
      'X-A: \xff\xc3(',
      'RFC 9110 5.5: octets, not text; nothing may be replaced',
    ],
    ['header-value-encoded-crlf', 'X-A: %0d%0aX-B: c', 'RFC 9110 5.5: escapes mean nothing in a value'],
    [
      'header-value-next-line-utf8',
      'X-A: b\xc2\x85c',
      'U+0085 is a line break for some string functions, not for HTTP',
    ],
    [
      'header-value-line-separator-utf8',
      'X-A: b\xe2\x80\xa8c',
      'U+2028 is a line break for some string functions, not for HTTP',
    ],
    [
      'header-value-crlf-as-overlong-utf8',
      'X-A: b\xc4\x8d\xc4\x8ac',
      'U+010D U+010A become CR LF where a code point is cut to a byte',
    ],
    ['header-name-all-tchars', "!#$%&'*+-.^_`|~09: b", 'RFC 9110 5.6.2: every tchar may stand in a name'],
    ['header-name-one-letter', 'A: b', 'RFC 9110 5.1'],
    ['header-name-digits', '123: b', 'RFC 9110 5.6.2'],
    ['header-name-underscore', 'X_A: b', 'RFC 9110 5.6.2: `_` is a tchar; only CGI confuses it with `-`'],
    ['header-name-proto', '__proto__: b', 'names must not meet JavaScript’s own properties'],
    ['header-name-constructor', 'constructor: b', 'names must not meet JavaScript’s own properties'],
    [
      'header-name-long',
      `X-${'a'.repeat(300)}: b`,
      'CVE-2021-40346: a name of 256 and more characters overflowed a length',
    ],
    [
      'header-value-4-kib',
      `X-A: ${'b'.repeat(4096)}`,
      'RFC 9110 5.4: no limit is set, and cookies of this size are common',
    ],
    ['header-many-cookies', 'Cookie: a=1; b="2"; c=', 'RFC 6265 4.2.1: nothing in it frames'],
  ]),
  {
    id: 'header-same-name-keeps-order',
    why: 'RFC 9110 5.3: a proxy must not change the order of values with the same name',
    send: withLine('X-A: 1\r\nx-a: 2\r\nX-B: 3\r\nX-A: 1'),
    expect: forward({ fields: { 'x-a': ['1', '2', '1'], 'x-b': '3' } }),
  },
  {
    id: 'header-content-length-lookalike-long-name',
    why: 'CVE-2021-40346: a name that began with content-length overflowed into the real one',
    send: wire`
      POST / HTTP/1.1
      Host: a.test
      Content-Length0${'a'.repeat(255)}:
      Content-Length: 3

      abc`,
    expect: forward({ body: 'abc' }),
  },
  {
    id: 'header-framing-names-with-underscore',
    why: 'RFC 9110 5.1: content_length is another field; it must not frame',
    send: withLine('Content_Length: 5\r\nTransfer_Encoding: chunked'),
    expect: forward({ body: '' }),
  },

  ...family(reject(400), withLine, [
    ['header-space-before-colon', 'X-A : b', 'RFC 9112 5.1: must be rejected with 400'],
    ['header-tab-before-colon', 'X-A\t: b', 'RFC 9112 5.1'],
    ['header-no-colon', 'X-A', 'RFC 9112 5'],
    ['header-no-colon-with-value', 'X-A b', 'RFC 9112 5'],
    ['header-equals-for-colon', 'X-A= b', 'RFC 9112 5'],
    ['header-empty-name', ': b', 'CVE-2023-25725: an empty name ended the list for some and not for others'],
    ['header-only-colon', ':', 'RFC 9110 5.1: 1*tchar'],
    ['header-folded-with-space', 'X-A: b\r\n c', 'RFC 9112 5.2: obs-fold'],
    ['header-folded-with-tab', 'X-A: b\r\n\tc', 'RFC 9112 5.2: obs-fold'],
    [
      'header-folded-empty',
      'X-A: b\r\n ',
      'RFC 9112 5.2: a line of whitespace ends the head for some parsers',
    ],
    ['header-folded-value-first', 'X-A:\r\n b', 'RFC 9112 5.2'],
    ['header-fold-hides-field', 'X-A: b\r\n X-B: c', 'CVE-2024-27982: an indented field was read as a field'],
    ['header-space-in-name', 'X A: b', 'RFC 9110 5.1'],
    ['header-name-in-parentheses', '(X-A): b', 'RFC 9110 5.6.2: a delimiter'],
    ['header-name-with-slash', 'X/A: b', 'RFC 9110 5.6.2: a delimiter'],
    ['header-name-with-at', 'X@A: b', 'RFC 9110 5.6.2: a delimiter'],
    ['header-name-with-brackets', 'X[A]: b', 'RFC 9110 5.6.2: a delimiter'],
    ['header-name-with-comma', 'X,A: b', 'RFC 9110 5.6.2: a delimiter'],
    ['header-name-with-semicolon', 'X;A: b', 'RFC 9110 5.6.2: a delimiter'],
    ['header-name-with-equals', 'X=A: b', 'RFC 9110 5.6.2: a delimiter'],
    ['header-name-with-backslash', 'X\\A: b', 'RFC 9110 5.6.2: a delimiter'],
    ['header-name-with-braces', 'X{A}: b', 'RFC 9110 5.6.2: a delimiter'],
    ['header-name-quoted', '"X-A": b', 'RFC 9110 5.6.2: a delimiter'],
    ['header-name-with-nul', 'X-\0A: b', 'RFC 9110 5.6.2'],
    ['header-name-with-del', 'X-A\x7f: b', 'RFC 9110 5.6.2'],
    ['header-name-with-vertical-tab', 'X-A\x0b: b', 'RFC 9110 5.6.2'],
    ['header-name-with-escape', '\x1bX-A: b', 'RFC 9110 5.6.2'],
    ['header-name-high-byte', 'X-\xc4: b', 'RFC 9110 5.6.2: tchars are ASCII'],
    ['header-name-utf8', 'X-\xc3\x84: b', 'RFC 9110 5.6.2: tchars are ASCII'],
    ['header-name-no-break-space', 'X-A\xa0: b', 'trimmed by some string functions, no whitespace of HTTP'],
    ['header-value-nul', 'X-A: b\0c', 'RFC 9110 5.5: NUL is invalid and dangerous'],
    ['header-value-nul-at-start', 'X-A: \0', 'RFC 9110 5.5'],
    ['header-value-bell', 'X-A: b\x07c', 'RFC 9110 5.5: CTLs are invalid'],
    ['header-value-backspace', 'X-A: b\x08c', 'RFC 9110 5.5: CTLs are invalid'],
    ['header-value-vertical-tab', 'X-A: b\x0bc', 'RFC 9110 5.5: CTLs are invalid'],
    ['header-value-form-feed', 'X-A: b\x0cc', 'RFC 9110 5.5: CTLs are invalid'],
    ['header-value-escape', 'X-A: b\x1b[31m', 'RFC 9110 5.5: CTLs are invalid'],
    ['header-value-first-ctl', 'X-A: b\x01c', 'RFC 9110 5.5: CTLs are invalid'],
    ['header-value-last-ctl', 'X-A: b\x1fc', 'RFC 9110 5.5: CTLs are invalid'],
    ['header-value-del', 'X-A: b\x7fc', 'RFC 9110 5.5: CTLs are invalid'],
    ['header-value-bare-lf', 'X-A: b\nX-B: c', 'RFC 9112 2.2 permits it, CVE-2022-32214 shows why not to'],
    ['header-value-bare-cr', 'X-A: b\rX-B: c', 'CVE-2023-30589: CR alone ended a field'],
    ['header-value-bare-cr-at-end', 'X-A: b\r', 'RFC 9112 2.2: CR CR LF'],
    ['header-value-lf-cr', 'X-A: b\n\rX-B: c', 'RFC 9112 2.2'],
    ['header-value-cr-cr', 'X-A: b\r\rX-B: c', 'RFC 9112 2.2'],
  ]),
  ...family(reject(400), (bytes) => bytes, [
    [
      'header-first-line-indented',
      'GET / HTTP/1.1\r\n X-A: b\r\nHost: a.test\r\n\r\n',
      'RFC 9112 2.2: whitespace before the first field',
    ],
    ['header-first-line-blank-space', 'GET / HTTP/1.1\r\n \r\nHost: a.test\r\n\r\n', 'RFC 9112 2.2'],
    [
      'header-head-ends-with-bare-lf',
      'GET / HTTP/1.1\r\nHost: a.test\r\n\n',
      'CVE-2022-32214: where the head ends decides where the next request starts',
    ],
    ['header-head-ends-with-cr-cr-lf', 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\r\n', 'RFC 9112 2.2'],
    [
      'header-head-ends-with-bare-cr',
      'GET / HTTP/1.1\r\nHost: a.test\r\n\rX',
      'CVE-2022-35256: a field not ended by CRLF',
    ],
    ['header-last-line-bare-lf', 'GET / HTTP/1.1\r\nHost: a.test\n\r\n', 'RFC 9112 2.2'],
    ['header-lf-lf', 'GET / HTTP/1.1\r\nHost: a.test\n\n', 'RFC 9112 2.2'],
  ]),
];
