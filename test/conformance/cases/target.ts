import { type Case, family, forward, reject } from '../case.ts';
import { wire } from '../wire.ts';

const withTarget = (target: string) => wire`
  GET ${target} HTTP/1.1
  Host: a.test

  `;

export const target: Case[] = [
  // What arrives is what was sent, byte for byte: policy sees these bytes and nothing else may.
  ...family(forward(), withTarget, [
    ['target-path-and-query', '/a/b?c=d&e=f', 'RFC 9112 3.2.1'],
    ['target-query-only-mark', '/a?', 'RFC 9110 4.2.3: an empty query is not the same as none'],
    ['target-query-with-question-marks', '/a?b?c??', 'RFC 3986 3.4: `?` may stand in a query'],
    ['target-query-with-slashes', '/a?next=/b/../c', 'RFC 3986 3.4'],
    ['target-all-path-characters', "/-._~!$&'()*+,;=:@", 'RFC 3986 3.3: pchar'],
    [
      'target-percent-encoded-dots',
      '/a/%2e%2e/b',
      'RFC 3986 6.2.2.2 normalisation is not the proxy’s to do silently',
    ],
    ['target-percent-encoded-dots-uppercase', '/a/%2E%2E/b', 'RFC 3986 6.2.2.1'],
    ['target-double-encoded-dots', '/a/%252e%252e/b', 'no decoding, so no double decoding'],
    [
      'target-dot-segments',
      '/a/../b/./c',
      'RFC 3986 5.2.4 is for references; what policy sees is what is forwarded',
    ],
    ['target-leading-dot-segments', '/../../etc/passwd', 'what policy sees is what is forwarded'],
    ['target-double-slash', '/a//b', 'RFC 3986 3.3: an empty segment is a segment'],
    [
      'target-leading-double-slash',
      '//a.test/b',
      'RFC 9112 3.2.1: an absolute path, not a network-path reference',
    ],
    ['target-encoded-slash', '/a%2fb', 'RFC 3986 2.2: an encoded reserved character is not the same'],
    ['target-encoded-backslash', '/a%5cb', 'forwarded as sent'],
    ['target-encoded-nul', '/a%00b', 'forwarded as sent: decoding is the service’s business'],
    ['target-encoded-crlf', '/a%0d%0aX-Injected:%201', 'RFC 9112 11.1: encoded CRLF must stay encoded'],
    ['target-encoded-hash', '/a%23b', 'RFC 3986 2.2'],
    ['target-encoded-space', '/a%20b', 'RFC 3986 2.1'],
    ['target-encoded-utf8', '/%E2%82%AC', 'RFC 3986 2.5'],
    ['target-lowercase-percent', '/%e2%82%ac', 'RFC 3986 6.2.2.1: equivalent, yet not rewritten'],
    ['target-path-parameters', '/a;b=c/d;e', 'RFC 3986 3.3: forwarded as sent, `;` included'],
    ['target-colon-in-path', '/a:80/b', 'RFC 3986 3.3'],
    ['target-url-in-path', '/http://b.test/', 'RFC 9112 3.2.1: it starts with a slash, so it is a path'],
    [
      'target-brackets-in-query',
      '/a?filter[name]=x',
      'outside RFC 3986, sent raw by every browser, ambiguous to nobody',
    ],
    ['target-bar-in-query', '/a?b=c|d', 'outside RFC 3986, sent raw by every browser, ambiguous to nobody'],
    ['target-braces', '/{a}?b={c}', 'outside RFC 3986; nginx, Envoy, HAProxy and Node pass them on'],
    [
      'target-caret-and-backtick',
      '/a^b`c?d^e`f',
      'outside RFC 3986; nginx, Envoy, HAProxy and Node pass them on',
    ],
    [
      'target-backslash-in-query',
      '/a?b=c\\d',
      'outside RFC 3986, sent raw by browsers; no slash of a path there',
    ],
    [
      'target-quotes-in-query',
      '/api/v1/query?query=up{job="a"}>0<1',
      'outside RFC 3986, sent raw by curl and scripts; ambiguous to nobody',
    ],
    [
      'target-percent-alone',
      '/100%?a=%zz',
      'outside RFC 3986, sent raw by browsers; decoding, and failing at it, is the service’s business',
    ],
    ['target-trailing-slash', '/a/', 'RFC 3986 6.2.3'],
    ['target-plus-and-comma', '/a+b,c', 'RFC 3986 3.3'],
  ]),

  ...family(reject(400), withTarget, [
    ['target-fragment', '/a#b', 'RFC 9112 3.2: no fragment in a target; CVE-2023-45539'],
    [
      'target-fragment-hides-suffix',
      '/index.html#.png',
      'CVE-2023-45539: a suffix rule matched what the service never saw',
    ],
    ['target-empty-fragment', '/a#', 'RFC 9112 3.2'],
    ['target-backslash', '/a\\..\\b', 'RFC 3986: not in the grammar, and some services take it for a slash'],
    ['target-backslash-before-query', '/a\\?b', 'a path ends at the question mark, not before'],
    ['target-backslash-in-front', '\\a', 'RFC 9112 3.2'],
    ['target-raw-utf8', '/\xe2\x82\xac', 'RFC 3986 2: targets are ASCII'],
    ['target-raw-latin1', '/caf\xe9', 'RFC 3986 2: targets are ASCII'],
    ['target-nul', '/a\0b', 'RFC 9110 17.3 and 11.2 of RFC 9112: NUL truncates in some parsers'],
    ['target-del', '/a\x7f', 'RFC 3986 2'],
    ['target-escape', '/a\x1b[31m', 'RFC 3986 2: control characters would also reach the logs'],
    ['target-bare-lf', '/a\nb', 'RFC 9112 3.2: no whitespace'],
    ['target-double-quote', '/a"b', 'RFC 3986: not in the grammar'],
    ['target-angle-brackets', '/<script>', 'RFC 3986: not in the grammar'],
    ['target-relative', 'a/b', 'RFC 9112 3.2: none of the four forms'],
    ['target-query-without-path', '?a=b', 'RFC 9112 3.2.1: the path is not optional'],
    ['target-dot', '.', 'RFC 9112 3.2'],
    ['target-asterisk-for-get', '*', 'RFC 9112 3.2.4: only for OPTIONS'],
    ['target-asterisk-with-path', '*/a', 'RFC 9112 3.2.4'],
    ['target-authority-form-for-get', 'a.test:80', 'RFC 9112 3.2.3: only for CONNECT'],
    ['target-host-without-port', 'a.test', 'RFC 9112 3.2'],
  ]),

  // absolute-form: accepted, checked against Host, forwarded as a path.
  ...family(forward({ target: '/b?c', host: 'a.test' }), withTarget, [
    ['target-absolute', 'http://a.test/b?c', 'RFC 9112 3.2.2: a server must accept absolute-form'],
    ['target-absolute-scheme-uppercase', 'HTTP://a.test/b?c', 'RFC 3986 3.1: schemes are case-insensitive'],
  ]),
  {
    id: 'target-absolute-host-case',
    why: 'RFC 3986 3.2.2: hosts are case-insensitive, so these two agree, and Host stays as it was sent',
    send: withTarget('http://A.TEST/b'),
    expect: forward({ target: '/b', fields: {}, onlyNamed: true, host: 'a.test' }),
  },
  {
    id: 'target-absolute-default-port',
    why: 'RFC 9110 4.2.3: the default port and none are the same authority',
    send: withTarget('http://a.test:80/b'),
    expect: forward({ target: '/b', host: 'a.test' }),
  },
  {
    id: 'target-absolute-empty-path',
    why: 'RFC 9110 4.2.3: an empty path is sent as `/`',
    send: withTarget('http://a.test'),
    expect: forward({ target: '/' }),
  },
  {
    id: 'target-absolute-empty-path-with-query',
    why: 'RFC 9112 3.2.1: an empty path becomes `/` in front of the query',
    send: withTarget('http://a.test?b=c'),
    expect: forward({ target: '/?b=c' }),
  },
  {
    id: 'target-absolute-with-port',
    why: 'RFC 9112 3.2.2',
    send: wire`
      GET http://a.test:8080/b HTTP/1.1
      Host: a.test:8080

      `,
    expect: forward({ target: '/b', host: 'a.test:8080' }),
  },
  {
    id: 'target-absolute-ipv6',
    why: 'RFC 3986 3.2.2: IP-literal',
    send: wire`
      GET http://[::1]:8080/b HTTP/1.1
      Host: [::1]:8080

      `,
    expect: forward({ target: '/b', host: '[::1]:8080' }),
  },
  {
    id: 'target-absolute-keeps-path-bytes',
    why: 'the path behind the authority is as untouched as one in origin-form',
    send: withTarget('http://a.test//b/%2e%2e/c?http://d.test/'),
    expect: forward({ target: '//b/%2e%2e/c?http://d.test/' }),
  },
  ...family(reject(400), withTarget, [
    [
      'target-absolute-other-host',
      'http://b.test/',
      'RFC 9112 3.2.2 ignores Host; Host of Troubles (CCS 2016) shows why to refuse',
    ],
    ['target-absolute-other-port', 'http://a.test:8080/', 'RFC 9112 3.2: Host must equal the authority'],
    ['target-absolute-host-prefix', 'http://a.test.evil.test/', 'RFC 9112 3.2: equal, not similar'],
    [
      'target-absolute-userinfo',
      'http://user:pass@a.test/',
      'RFC 9110 4.2.4: userinfo is to be treated as an error',
    ],
    [
      'target-absolute-userinfo-hides-host',
      'http://a.test@b.test/',
      'RFC 9110 4.2.4: disguises the authority',
    ],
    ['target-absolute-empty-authority', 'http:///b', 'RFC 9110 4.2.1: an http URI without host is invalid'],
    ['target-absolute-no-slashes', 'http:a.test/b', 'RFC 9110 4.2.1'],
    ['target-absolute-other-scheme', 'ftp://a.test/b', 'RFC 9110 7.1: not a scheme of this server'],
    ['target-absolute-file', 'file:///etc/passwd', 'RFC 9110 7.1: not a scheme of this server'],
    ['target-absolute-javascript', 'javascript:alert(1)', 'RFC 9112 3.2'],
    ['target-absolute-fragment', 'http://a.test/b#c', 'RFC 9112 3.2: no fragment in a target'],
    ['target-absolute-bad-port', 'http://a.test:8a/', 'RFC 3986 3.2.3: a port is digits'],
    [
      'target-absolute-backslash',
      'http://a.test\\b',
      'RFC 3986: browsers and parsers differ on where the authority ends',
    ],
  ]),
  ...family(reject(421), withTarget, [
    [
      'target-absolute-https',
      'https://a.test/b',
      'RFC 9110 7.4: an https resource must be refused on a connection that is not secured',
    ],
    ['target-absolute-https-port', 'HTTPS://a.test:443/b', 'RFC 9110 7.4'],
  ]),
  {
    id: 'target-absolute-without-host',
    why: 'RFC 9112 3.2: a client must send Host in every HTTP/1.1 request, absolute-form or not',
    send: wire`
      GET http://a.test/b HTTP/1.1

      `,
    expect: reject(400),
  },
];
