import { type Case, family, forward, forwardAndClose, reject } from '../case.ts';
import { wire } from '../wire.ts';

const withLine = (line: string) => wire`
  ${line}
  Host: a.test

  `;

export const requestLine: Case[] = [
  ...family(forward(), withLine, [
    ['request-line-plain', 'GET / HTTP/1.1', 'RFC 9112 3'],
    [
      'request-line-lowercase-method',
      'get / HTTP/1.1',
      'RFC 9110 9.1: methods are case-sensitive, `get` is a method of its own',
    ],
    [
      'request-line-extension-method',
      'PROPFIND / HTTP/1.1',
      'RFC 9110 9.1: any token is a method; WebDAV uses this one',
    ],
    ['request-line-method-with-hyphen', 'M-SEARCH / HTTP/1.1', 'RFC 9110 5.6.2: a hyphen is a tchar'],
    [
      'request-line-method-all-tchars',
      "!#$%&'*+-.^_`|~09 / HTTP/1.1",
      'RFC 9110 5.6.2: every tchar may stand in a method',
    ],
    ['request-line-method-one-letter', 'Q / HTTP/1.1', 'RFC 9110 9.1'],
  ]),
  {
    id: 'request-line-one-empty-line-before',
    why: 'RFC 9112 2.2: a server should ignore at least one empty line before the request line',
    send: wire`

      GET / HTTP/1.1
      Host: a.test

      `,
    expect: forward(),
  },
  {
    id: 'request-line-empty-line-after-post',
    why: 'RFC 9112 2.2: old clients send an extra CRLF behind a POST body',
    send: wire`
      POST /first HTTP/1.1
      Host: a.test
      Content-Length: 2

      hi
      GET /second HTTP/1.1
      Host: a.test

      `,
    expect: forward({ target: '/first', body: 'hi' }, { target: '/second', body: '' }),
  },
  {
    id: 'request-line-version-1-2',
    why: 'RFC 9110 6.2: a higher minor version is served as the highest that is known; upstream the proxy says its own',
    send: withLine('GET / HTTP/1.2'),
    expect: forward({ method: 'GET', target: '/', onlyNamed: true }),
  },
  {
    id: 'request-line-version-1-0',
    why: 'RFC 9110 6.2: an intermediary sends its own version; RFC 9112 9.3: HTTP/1.0 closes unless agreed otherwise',
    send: withLine('GET / HTTP/1.0'),
    expect: forwardAndClose({ method: 'GET', target: '/' }),
  },

  ...family(reject(400), (bytes) => bytes, [
    [
      'request-line-two-empty-lines-before',
      '\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
      'RFC 9112 2.2 asks for one; more only hides requests',
    ],
    [
      'request-line-bare-lf-before',
      '\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
      'RFC 9112 2.2: an empty line is CRLF',
    ],
    [
      'request-line-bare-cr-before',
      '\rGET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
      'RFC 9112 2.2: bare CR is invalid',
    ],
    [
      'request-line-space-before',
      ' GET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
      'RFC 9112 3: the line starts with the method',
    ],
    [
      'request-line-tab-before',
      '\tGET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
      'RFC 9112 3: the line starts with the method',
    ],
    ['request-line-nul-before', '\0GET / HTTP/1.1\r\nHost: a.test\r\n\r\n', 'RFC 9112 3: NUL is no tchar'],
    [
      'request-line-bom-before',
      '\xef\xbb\xbfGET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
      'RFC 9112 2.2: a message is octets, no byte order mark',
    ],
    [
      'request-line-http-0-9',
      'GET /\r\n\r\n',
      'RFC 9112 3: the version is not optional; HTTP/0.9 is long gone',
    ],
    [
      'request-line-http-0-9-with-fields',
      'GET /\r\nHost: a.test\r\n\r\n',
      'llhttp issue 877: a line without version read as HTTP/0.9 and then with fields',
    ],
    [
      'request-line-ends-with-bare-lf',
      'GET / HTTP/1.1\nHost: a.test\r\n\r\n',
      'RFC 9112 2.2 permits bare LF, CVE-2022-32214 shows why not to',
    ],
    [
      'request-line-ends-with-bare-cr',
      'GET / HTTP/1.1\rHost: a.test\r\n\r\n',
      'RFC 9112 2.2: bare CR is invalid',
    ],
    [
      'request-line-ends-with-cr-cr-lf',
      'GET / HTTP/1.1\r\r\nHost: a.test\r\n\r\n',
      'RFC 9112 2.2: bare CR is invalid',
    ],
    [
      'request-line-all-bare-lf',
      'GET / HTTP/1.1\nHost: a.test\n\n',
      'RFC 9112 2.2: strict, as for a single bare LF',
    ],
    [
      'request-line-tls-client-hello',
      '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n',
      'TLS sent to a plain listener is no HTTP',
    ],
    [
      'request-line-folded-target',
      'GET\r\n / HTTP/1.1\r\nHost: a.test\r\n\r\n',
      'RFC 9112 3: a request line is one line',
    ],
    [
      'request-line-response-instead',
      'HTTP/1.1 200 OK\r\nHost: a.test\r\n\r\n',
      'RFC 9112 2.1: a status line is no request line',
    ],
  ]),
  ...family(reject(400), withLine, [
    [
      'request-line-two-spaces-after-method',
      'GET  / HTTP/1.1',
      'RFC 9112 3: single SP; lenient splitting is where parsers differ',
    ],
    ['request-line-two-spaces-before-version', 'GET /  HTTP/1.1', 'RFC 9112 3: single SP'],
    ['request-line-space-after-version', 'GET / HTTP/1.1 ', 'RFC 9112 3: CRLF follows the version'],
    ['request-line-tab-after-method', 'GET\t/ HTTP/1.1', 'RFC 9112 3: SP, not HTAB'],
    ['request-line-tab-before-version', 'GET /\tHTTP/1.1', 'RFC 9112 3: SP, not HTAB'],
    [
      'request-line-vertical-tab-as-space',
      'GET\x0b/ HTTP/1.1',
      'RFC 9112 3 names VT among the whitespace some parsers take',
    ],
    [
      'request-line-form-feed-as-space',
      'GET /\x0cHTTP/1.1',
      'RFC 9112 3 names FF among the whitespace some parsers take',
    ],
    [
      'request-line-bare-cr-as-space',
      'GET /\rHTTP/1.1',
      'RFC 9112 3 names bare CR among the whitespace some parsers take',
    ],
    [
      'request-line-space-in-target',
      'GET /a b HTTP/1.1',
      'RFC 9112 3.2: no whitespace in a target; must not be repaired',
    ],
    [
      'request-line-injected-version',
      'GET /a HTTP/1.1 /b HTTP/1.1',
      'RFC 9112 3.2: which target counts depends on the parser',
    ],
    ['request-line-no-target', 'GET HTTP/1.1', 'RFC 9112 3'],
    ['request-line-empty-target', 'GET  HTTP/1.1', 'RFC 9112 3.2'],
    ['request-line-no-method', ' / HTTP/1.1', 'RFC 9112 3.1'],
    ['request-line-method-with-colon', 'GET: / HTTP/1.1', 'RFC 9110 5.6.2: a colon is no tchar'],
    ['request-line-method-with-slash', 'GE/T / HTTP/1.1', 'RFC 9110 5.6.2: a slash is no tchar'],
    ['request-line-method-quoted', '"GET" / HTTP/1.1', 'RFC 9110 5.6.2: a quote is no tchar'],
    ['request-line-method-with-nul', 'GE\0T / HTTP/1.1', 'RFC 9110 5.6.2: NUL is no tchar'],
    ['request-line-method-with-del', 'GET\x7f / HTTP/1.1', 'RFC 9110 5.6.2: DEL is no tchar'],
    ['request-line-method-high-byte', 'G\xc9T / HTTP/1.1', 'RFC 9110 5.6.2: tchars are ASCII'],
    ['request-line-version-missing-minor', 'GET / HTTP/1', 'RFC 9112 2.3: DIGIT "." DIGIT'],
    ['request-line-version-empty-minor', 'GET / HTTP/1.', 'RFC 9112 2.3'],
    ['request-line-version-two-digit-minor', 'GET / HTTP/1.10', 'RFC 9112 2.3: one digit'],
    ['request-line-version-two-digit-major', 'GET / HTTP/01.1', 'RFC 9112 2.3: one digit'],
    ['request-line-version-lowercase', 'GET / http/1.1', 'RFC 9112 2.3: HTTP-name is case-sensitive'],
    ['request-line-version-comma', 'GET / HTTP/1,1', 'RFC 9112 2.3'],
    ['request-line-version-other-name', 'GET / HTTPS/1.1', 'RFC 9112 2.3'],
    ['request-line-version-space-inside', 'GET / HTTP/ 1.1', 'RFC 9112 2.3'],
    ['request-line-version-sign', 'GET / HTTP/+1.1', 'RFC 9112 2.3'],
    ['request-line-version-letters', 'GET / HTTP/x.y', 'RFC 9112 2.3'],
    ['request-line-version-nul', 'GET / HTTP/1.1\0', 'RFC 9112 2.3'],
    ['request-line-icap-version', 'GET / ICAP/1.0', 'RFC 9112 2.3: another protocol of the same shape'],
  ]),
  ...family(reject(505), withLine, [
    [
      'request-line-version-2-0',
      'GET / HTTP/2.0',
      'RFC 9110 15.6.6: a major version that is not spoken here',
    ],
    ['request-line-version-3-0', 'GET / HTTP/3.0', 'RFC 9110 15.6.6'],
    ['request-line-version-0-9', 'GET / HTTP/0.9', 'RFC 9110 15.6.6'],
    ['request-line-version-9-9', 'GET / HTTP/9.9', 'RFC 9110 15.6.6'],
  ]),
];
