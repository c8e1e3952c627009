import { type Case, family, forward, forwardAndClose, reject } from '../case.ts';
import { wire } from '../wire.ts';

const withHost = (host: string) => wire`
  GET / HTTP/1.1
  Host: ${host}

  `;

export const host: Case[] = [
  ...family(forward(), withHost, [
    ['host-name', 'a.test', 'RFC 9110 7.2'],
    ['host-name-and-port', 'a.test:8080', 'RFC 9110 7.2'],
    ['host-empty-port', 'a.test:', 'RFC 3986 3.2.3: port is *DIGIT'],
    ['host-uppercase', 'A.Test', 'RFC 3986 3.2.2: equivalent in lower case, yet not rewritten'],
    ['host-trailing-dot', 'a.test.', 'RFC 3986 3.2.2: reg-name'],
    ['host-ipv4', '127.0.0.1:80', 'RFC 3986 3.2.2'],
    ['host-ipv6', '[2001:db8::1]', 'RFC 3986 3.2.2: IP-literal'],
    ['host-ipv6-and-port', '[::1]:8080', 'RFC 3986 3.2.2'],
    ['host-underscore', 'my_service.test', 'RFC 3986 2.3: unreserved, common inside clusters'],
    ['host-hyphens-and-digits', 'a-1.b-2.test', 'RFC 3986 3.2.2'],
    ['host-single-label', 'webhook-dispatcher', 'RFC 3986 3.2.2: how services of a mesh are called'],
  ]),
  {
    id: 'host-padded',
    why: 'RFC 9110 5.5: whitespace around a value is not part of it',
    send: withHost(' \t a.test \t'),
    expect: forward({ host: 'a.test' }),
  },
  {
    id: 'host-field-name-case',
    why: 'RFC 9110 5.1: field names are case-insensitive',
    send: wire`
      GET / HTTP/1.1
      hOsT: a.test

      `,
    expect: forward({ host: 'a.test' }),
  },
  {
    id: 'host-last-field',
    why: 'RFC 9110 7.2: Host should come first and need not',
    send: wire`
      GET / HTTP/1.1
      X-A: 1
      Host: a.test

      `,
    expect: forward(),
  },
  {
    id: 'host-missing-on-1-0',
    why: 'RFC 9112 3.2 asks for Host in HTTP/1.1 only; what goes upstream is HTTP/1.1 and has one',
    send: 'GET / HTTP/1.0\r\n\r\n',
    expect: forwardAndClose({ method: 'GET', target: '/' }),
  },

  ...family(reject(400), withHost, [
    ['host-with-space', 'a.test b.test', 'RFC 9112 3.2: an invalid value must be answered with 400'],
    ['host-list', 'a.test, b.test', 'RFC 9110 7.2: one authority, no list; Host of Troubles (CCS 2016)'],
    ['host-with-path', 'a.test/b', 'RFC 9110 7.2'],
    ['host-with-query', 'a.test?b', 'RFC 9110 7.2'],
    ['host-with-fragment', 'a.test#b', 'RFC 9110 7.2'],
    ['host-with-userinfo', 'user@a.test', 'RFC 9110 7.2: uri-host and port only'],
    ['host-with-scheme', 'http://a.test', 'RFC 9110 7.2'],
    ['host-port-letters', 'a.test:http', 'RFC 3986 3.2.3'],
    ['host-port-too-large', 'a.test:65536', 'RFC 9110 4.2.1: TCP ports end at 65535'],
    ['host-port-huge', 'a.test:99999999999999999999', 'RFC 9110 4.2.1'],
    ['host-port-negative', 'a.test:-80', 'RFC 3986 3.2.3'],
    ['host-two-ports', 'a.test:80:81', 'RFC 3986 3.2.2: a colon needs brackets'],
    ['host-port-then-host', 'a.test:80@b.test', 'RFC 9110 7.2'],
    ['host-ipv6-without-brackets', '::1', 'RFC 3986 3.2.2: IPv6 needs brackets'],
    ['host-ipv6-unclosed', '[::1', 'RFC 3986 3.2.2'],
    ['host-ipv6-text-behind', '[::1]a', 'RFC 3986 3.2.2'],
    ['host-brackets-inside', 'a[b].test', 'RFC 3986 3.2.2: brackets only around an IP literal'],
    ['host-only-port', ':80', 'RFC 9110 4.2.1: an http URI has a host'],
    ['host-backslash', 'a.test\\b', 'RFC 3986 3.2.2'],
    ['host-quoted', '"a.test"', 'RFC 3986 3.2.2'],
    ['host-high-byte', 'caf\xe9.test', 'RFC 3986 3.2.2: hosts are ASCII'],
    ['host-utf8', 'caf\xc3\xa9.test', 'RFC 3986 3.2.2: hosts are ASCII'],
    ['host-nul', 'a.test\0.b.test', 'RFC 3986 3.2.2: NUL truncates in some parsers'],
    ['host-tab-inside', 'a.test\tb.test', 'RFC 9110 7.2'],
    ['host-braces', 'a.test{b}', 'RFC 3986 3.2.2: braces are not in the grammar'],
  ]),
  ...family(reject(400), (bytes) => bytes, [
    ['host-missing', 'GET / HTTP/1.1\r\n\r\n', 'RFC 9112 3.2'],
    ['host-missing-other-fields', 'GET / HTTP/1.1\r\nX-Host: a.test\r\nAccept: */*\r\n\r\n', 'RFC 9112 3.2'],
    [
      'host-empty',
      'GET / HTTP/1.1\r\nHost:\r\n\r\n',
      'RFC 9110 4.2.1: an http URI with an empty host is invalid',
    ],
    ['host-only-spaces', 'GET / HTTP/1.1\r\nHost:   \r\n\r\n', 'RFC 9110 4.2.1'],
    [
      'host-twice',
      'GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n',
      'RFC 9112 3.2: more than one is 400; Host of Troubles (CCS 2016)',
    ],
    [
      'host-twice-identical',
      'GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n',
      'RFC 9112 3.2: more than one is 400, equal or not',
    ],
    [
      'host-twice-other-case',
      'GET / HTTP/1.1\r\nHost: a.test\r\nX-A: 1\r\nhost: b.test\r\n\r\n',
      'RFC 9112 3.2',
    ],
    ['host-twice-second-empty', 'GET / HTTP/1.1\r\nHost: a.test\r\nHost:\r\n\r\n', 'RFC 9112 3.2'],
    ['host-space-before-colon', 'GET / HTTP/1.1\r\nHost : a.test\r\n\r\n', 'RFC 9112 5.1'],
    ['host-folded', 'GET / HTTP/1.1\r\nHost:\r\n a.test\r\n\r\n', 'RFC 9112 5.2'],
    [
      'host-second-hidden-by-space',
      'GET / HTTP/1.1\r\nHost: a.test\r\n Host: b.test\r\n\r\n',
      'RFC 9112 5.2; Host of Troubles (CCS 2016)',
    ],
    [
      'host-first-line-indented',
      'GET / HTTP/1.1\r\n Host: b.test\r\nHost: a.test\r\n\r\n',
      'RFC 9112 2.2: whitespace before the first field',
    ],
    [
      'host-twice-on-1-0',
      'GET / HTTP/1.0\r\nHost: a.test\r\nHost: b.test\r\n\r\n',
      'RFC 9112 3.2: for any request',
    ],
  ]),
];
