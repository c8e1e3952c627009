import { LIMITS } from '../../../sidecar/src/core/limits.ts';
import { type Case, family, forward, reject } from '../case.ts';

/** At each bound a message passes, beyond it one is refused: RFC 9110 15.5.15 (414), RFC 6585 5 (431). */
const get = (target: string, lines: string) => `GET ${target} HTTP/1.1\r\nHost: a.test\r\n${lines}\r\n`;
const withTarget = (target: string) => get(target, '');
const withLines = (lines: string) => get('/', lines);

const fields = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: ${i}\r\n`).join('');
const line = (bytes: number) => `X-A: ${'a'.repeat(bytes - 'X-A: \r\n'.length)}\r\n`;

/** Host is one of the fields. */
const MOST_FIELDS = LIMITS.fields - 1;
const LINES_OF_A_FULL_HEAD = Math.ceil(LIMITS.headBytes / 8_000);

export const bounds: Case[] = [
  ...family(forward(), withTarget, [
    [
      'bound-target-8000',
      `/${'a'.repeat(7_999)}`,
      'RFC 9112 3: request lines of 8000 octets are to be supported',
    ],
    ['bound-target-at-limit', `/${'a'.repeat(LIMITS.targetBytes - 1)}`, 'RFC 9110 15.5.15'],
    ['bound-query-at-limit', `/?${'a'.repeat(LIMITS.targetBytes - 2)}`, 'RFC 9110 15.5.15'],
  ]),
  ...family(forward(), withLines, [
    ['bound-fields-at-limit', fields(MOST_FIELDS), 'RFC 9110 5.4'],
    ['bound-field-line-at-limit', line(LIMITS.fieldLineBytes), 'RFC 9110 5.4'],
    ['bound-several-long-lines', line(8_000).repeat(4), 'RFC 9110 5.4'],
  ]),
  ...family(reject(414), withTarget, [
    [
      'bound-target-over-limit',
      `/${'a'.repeat(LIMITS.targetBytes)}`,
      'RFC 9112 3: longer than the server wishes to parse',
    ],
    ['bound-target-128-kib', `/${'a'.repeat(131_072)}`, 'RFC 9112 3: longer than any buffer'],
    ['bound-query-128-kib', `/?${'a'.repeat(131_072)}`, 'RFC 9112 3: longer than any buffer'],
  ]),
  ...family(reject(431), withLines, [
    ['bound-fields-over-limit', fields(MOST_FIELDS + 1), 'RFC 6585 5: too many fields'],
    ['bound-fields-20000', 'a:\r\n'.repeat(20_000), 'RFC 6585 5: too many fields'],
    ['bound-field-line-over-limit', line(LIMITS.fieldLineBytes + 1), 'RFC 6585 5: one field too large'],
    ['bound-field-value-128-kib', line(131_072), 'RFC 6585 5: longer than any buffer'],
    ['bound-field-name-128-kib', `${'a'.repeat(131_072)}: b\r\n`, 'RFC 6585 5: longer than any buffer'],
    [
      'bound-head-over-limit',
      line(8_000).repeat(LINES_OF_A_FULL_HEAD),
      'RFC 6585 5: the fields together are too large',
    ],
  ]),
  {
    id: 'bound-method-128-kib',
    why: 'RFC 9112 3: a method longer than any that is implemented',
    send: `${'A'.repeat(131_072)} / HTTP/1.1\r\nHost: a.test\r\n\r\n`,
    expect: reject(400, 431, 501),
  },
  {
    id: 'bound-endless-line',
    why: 'bytes without any line end must not be collected for ever',
    send: 'A'.repeat(300_000),
    expect: reject(400, 414, 431),
  },
  {
    id: 'bound-pipelined-body-64-kib',
    why: 'a body of one read and more, then a request in the same packet',
    send: `POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 70000\r\n\r\n${'x'.repeat(70_000)}${get('/b', '')}`,
    expect: forward({ target: '/a' }, { target: '/b' }),
  },
];
