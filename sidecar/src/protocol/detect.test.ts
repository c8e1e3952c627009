import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LIMITS } from '../core/limits.ts';
import { detect, type Verdict } from './detect.ts';

function verdictOf(text: string | Uint8Array): Verdict {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : text;
  return detect(bytes, 0, bytes.length);
}

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

describe('detect', () => {
  test.each<[string, string, Verdict]>([
    ['a request', 'GET / HTTP/1.1\r\n', 'http1'],
    ['a method and a space', 'PROPFIND ', 'http1'],
    ['a tunnel', 'CONNECT a.test:443 HTTP/1.1\r\n', 'http1'],
    ['an absolute target', 'GET http://a.test/ HTTP/1.1\r\n', 'http1'],
    ['a method in small letters before a path', 'get /a', 'http1'],
    ['a method of odd characters before a path', "G.E+T'7 /a", 'http1'],
    ['the asterisk target', 'options *', 'http1'],
    ['an empty line before a request', '\r\nGET /', 'http1'],
    ['blanks before a request', ' \t\r\n\n GET /', 'http1'],
    ['two spaces behind the method', 'get  /', 'http1'],
    ['a tab behind the method', 'GET\t/', 'http1'],
    ['the preface of HTTP/2', PREFACE, 'http2'],
    ['a preface of another version', 'PRI * HTTP/3.0', 'http1'],
    ['a ClientHello', '\x16\x03\x01\x02\x00', 'tls'],
    ['a handshake record of no known version', '\x16\x02', 'tcp'],
    ['RESP', '*1\r\n$4\r\nPING\r\n', 'tcp'],
    ['an inline command of Redis', 'PING\r\n', 'tcp'],
    ['a command of memcached', 'get key\r\n', 'tcp'],
    ['the greeting of SSH', 'SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n', 'tcp'],
    ['the length of OP_MSG', '\x2a\x00\x00\x00', 'tcp'],
    ['the length of a Kafka request', '\x00\x00\x00\x1f', 'tcp'],
    ['the startup message of PostgreSQL', '\x00\x00\x00\x08\x04\xd2\x16\x2f', 'tcp'],
    ['the header of AMQP', 'AMQP\x00\x00\x09\x01', 'tcp'],
    ['a word too long for a method', 'A'.repeat(LIMITS.detectBytes), 'tcp'],
    ['blanks without end', '\r\n'.repeat(LIMITS.detectBytes), 'tcp'],
    ['nothing', '', 'incomplete'],
    ['half a method', 'GE', 'incomplete'],
    ['half a preface', 'PRI * HTTP/2.0\r\n', 'incomplete'],
    ['the first byte of a record', '\x16', 'incomplete'],
    ['an empty line', '\r\n', 'incomplete'],
    ['a word in small letters and a space', 'get ', 'incomplete'],
  ])('%s', (_, text, verdict) => {
    expect(verdictOf(text)).toBe(verdict);
  });
});

/** Likely beginnings, cut and continued at random, and bytes that are anything. */
const beginnings = fc
  .tuple(
    fc.constantFrom(
      '',
      PREFACE,
      'GET /a HTTP/1.1\r\n',
      'get key',
      '\r\n',
      '\x16\x03\x03',
      '*1\r\n$4',
      'SSH-2.0-x y',
    ),
    fc.nat(30),
    fc.uint8Array({ maxLength: 80 }),
    fc.stringMatching(/^[ -~]{0,40}$/),
    fc.boolean(),
  )
  .map(([text, cut, bytes, printable, asText]) =>
    Buffer.concat([Buffer.from(text.slice(0, cut), 'latin1'), asText ? Buffer.from(printable) : bytes]),
  );

describe('whatever the bytes', () => {
  test('a verdict is the same at every split, and there is one within the bound', () => {
    fc.assert(
      fc.property(beginnings, (bytes) => {
        const final = verdictOf(bytes);
        for (let end = 0; end <= bytes.length; end++) {
          const verdict = verdictOf(bytes.subarray(0, end));
          if (verdict !== 'incomplete') expect(verdict).toBe(final);
          if (end >= LIMITS.detectBytes) expect(verdict).not.toBe('incomplete');
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('only the given range counts', () => {
    fc.assert(
      fc.property(
        beginnings,
        fc.uint8Array({ maxLength: 5 }),
        fc.uint8Array({ maxLength: 5 }),
        (bytes, before, after) => {
          const whole = Buffer.concat([before, bytes, after]);
          expect(detect(whole, before.length, before.length + bytes.length)).toBe(verdictOf(bytes));
        },
      ),
    );
  });
});
