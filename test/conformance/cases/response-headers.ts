import { LIMITS } from '../../../sidecar/src/core/limits.ts';
import { badGateway, type Case, relay } from '../case.ts';
import { answers, LEAKING_FIELDS } from './responses.ts';

const withLine = (line: string) => `HTTP/1.1 200 OK\r\n${line}\r\nContent-Length: 2\r\n\r\nok`;
const leaking = (line: string) => `HTTP/1.1 200 OK\r\n${line}\r\n${LEAKING_FIELDS}\r\nleak`;
const OBS_TEXT = Array.from({ length: 0x80 }, (_, i) => String.fromCharCode(0x80 + i)).join('');

export const responseHeaders: Case[] = [
  ...answers(relay(), withLine, [
    ['answer-header-plain', 'X-A: b', 'RFC 9112 5'],
    ['answer-header-empty', 'X-A:', 'RFC 9110 5.5'],
    ['answer-header-padded', 'X-A: \t b \t', 'RFC 9112 5.1'],
    ['answer-header-no-space', 'X-A:b', 'RFC 9112 5'],
    ['answer-header-tab-inside', 'X-A: b\tc', 'RFC 9110 5.5'],
    ['answer-header-obs-text', `X-A: ${OBS_TEXT}`, 'RFC 9110 5.5: opaque octets'],
    [
      'answer-header-set-cookie-twice',
      'Set-Cookie: a=1\r\nSet-Cookie: b=2, c',
      'RFC 9110 5.3: Set-Cookie must not be combined',
    ],
    ['answer-header-order', 'X-A: 1\r\nX-B: 2\r\nX-A: 3', 'RFC 9110 5.3: order within a name is kept'],
    ['answer-header-name-tchars', "!#$%&'*+-.^_`|~09: b", 'RFC 9110 5.6.2'],
    ['answer-header-proto', '__proto__: b', 'names must not meet JavaScript’s own properties'],
    ['answer-header-8-kib', `X-A: ${'b'.repeat(8_192)}`, 'RFC 9110 5.4'],
    [
      'answer-header-date-and-server',
      'Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: t/1',
      'RFC 9110 6.6.1: a proxy must not replace Date',
    ],
    ['answer-header-host', 'Host: a.test', 'RFC 9110 7.2: means nothing in an answer'],
  ]),
  ...answers(relay({ absent: ['x-secret', 'keep-alive', 'proxy-connection'] }), withLine, [
    ['answer-hop-nominated', 'Connection: X-Secret\r\nX-Secret: 1', 'RFC 9110 7.6.1'],
    ['answer-hop-nominated-in-list', 'X-Secret: 1\r\nConnection: keep-alive, x-secret', 'RFC 9110 7.6.1'],
    ['answer-hop-keep-alive', 'Connection: keep-alive\r\nKeep-Alive: timeout=5', 'RFC 9110 7.6.1'],
    ['answer-hop-keep-alive-not-nominated', 'Keep-Alive: timeout=5', 'RFC 9110 7.6.1'],
    ['answer-hop-proxy-connection', 'Proxy-Connection: keep-alive', 'RFC 9112 C.2.2'],
    ['answer-hop-close', 'Connection: close', 'RFC 9112 9.6: the origin’s connection ends, not the client’s'],
  ]),

  ...answers(badGateway(), leaking, [
    [
      'answer-header-space-before-colon',
      'X-A : b',
      'RFC 9112 5.1 lets a proxy repair it; refused, as all that is ambiguous',
    ],
    ['answer-header-tab-before-colon', 'X-A\t: b', 'RFC 9112 5.1'],
    ['answer-header-no-colon', 'X-A', 'RFC 9112 5'],
    ['answer-header-empty-name', ': b', 'RFC 9110 5.1'],
    [
      'answer-header-folded',
      'X-A: b\r\n c',
      'RFC 9112 5.2 lets a proxy replace it; refused, as all that is ambiguous',
    ],
    ['answer-header-folded-with-tab', 'X-A: b\r\n\tc', 'RFC 9112 5.2'],
    ['answer-header-first-indented', ' X-A: b', 'RFC 9112 2.2'],
    ['answer-header-space-in-name', 'X A: b', 'RFC 9110 5.1'],
    ['answer-header-name-quoted', '"X-A": b', 'RFC 9110 5.6.2'],
    ['answer-header-name-in-parentheses', 'X(A): b', 'RFC 9110 5.6.2'],
    ['answer-header-name-nul', 'X-\0A: b', 'RFC 9110 5.6.2'],
    ['answer-header-name-high-byte', 'X-\xc4: b', 'RFC 9110 5.6.2'],
    ['answer-header-nul', 'X-A: b\0c', 'RFC 9110 5.5'],
    ['answer-header-vertical-tab', 'X-A: b\x0bc', 'RFC 9110 5.5'],
    ['answer-header-escape', 'X-A: \x1b[31m', 'RFC 9110 5.5'],
    ['answer-header-del', 'X-A: b\x7f', 'RFC 9110 5.5'],
    ['answer-header-bare-lf', 'X-A: b\nSet-Cookie: leak=1', 'RFC 9112 11.1: response splitting'],
    ['answer-header-bare-cr', 'X-A: b\rSet-Cookie: leak=1', 'RFC 9112 11.1: response splitting'],
    ['answer-header-cr-cr-lf', 'X-A: b\r', 'RFC 9112 2.2'],
    ['answer-hop-option-with-space', 'Connection: a b', 'RFC 9110 7.6.1: an option is a token'],
    [
      'answer-hop-nominates-length',
      'Connection: Content-Length',
      'RFC 9110 7.6.1: the length would be lost on the way',
    ],
  ]),
  ...answers(badGateway(), (bytes) => bytes, [
    [
      'answer-head-ends-with-bare-lf',
      'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\nleak',
      'RFC 9112 2.2: where the head ends decides where the body starts',
    ],
    ['answer-head-ends-with-cr-cr-lf', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\r\nleak', 'RFC 9112 2.2'],
    [
      'answer-head-too-many-fields',
      `HTTP/1.1 200 OK\r\n${'X-Leak: 1\r\n'.repeat(LIMITS.fields + 1)}Content-Length: 4\r\n\r\nleak`,
      'RFC 9110 5.4: a bound for answers too',
    ],
    [
      'answer-head-too-large',
      `HTTP/1.1 200 OK\r\nX-Leak: ${'a'.repeat(131_072)}\r\nContent-Length: 4\r\n\r\nleak`,
      'RFC 9110 5.4: a bound for answers too',
    ],
    ['answer-head-endless', 'a'.repeat(300_000), 'bytes without any line end must not be collected for ever'],
  ]),
];
