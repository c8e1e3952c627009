import { badGateway, type Case, type Expectation, relay } from '../case.ts';

/** Status lines and field lines of the origin. Each answer is otherwise complete, so that only the varied place decides. */
const GET = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';
const withStatusLine = (line: string) => `${line}\r\nContent-Length: 2\r\n\r\nok`;
const withLine = (line: string) => `HTTP/1.1 200 OK\r\n${line}\r\nContent-Length: 2\r\n\r\nok`;

export const responseHead: Case[] = [
  ...answers(relay(), withStatusLine, [
    ['status-200', 'HTTP/1.1 200 OK', 'RFC 9112 4'],
    ['status-without-reason', 'HTTP/1.1 200 ', 'RFC 9112 4: the reason may be empty'],
    ['status-reason-of-words', 'HTTP/1.1 200 All is well, really', 'RFC 9112 4'],
    ['status-reason-with-tab', 'HTTP/1.1 200 a\tb', 'RFC 9112 4'],
    ['status-reason-obs-text', 'HTTP/1.1 200 gr\xfc\xdf', 'RFC 9112 4'],
    ['status-201', 'HTTP/1.1 201 Created', 'RFC 9110 15.3.2'],
    ['status-299-unknown', 'HTTP/1.1 299 Own', 'RFC 9110 15: unknown codes are treated as x00'],
    ['status-404', 'HTTP/1.1 404 Not Found', 'RFC 9110 15.5.5'],
    ['status-503', 'HTTP/1.1 503 Busy', 'RFC 9110 15.6.4'],
    ['status-599', 'HTTP/1.1 599 Own', 'RFC 9110 15: unknown codes are treated as x00'],
  ]),
  ...answers(badGateway(), withStatusLine, [
    ['status-without-space', 'HTTP/1.1 200', 'RFC 9112 4: the space is there even without a reason'],
    ['status-0', 'HTTP/1.1 0 Zero', 'RFC 9112 4: three digits'],
    ['status-000', 'HTTP/1.1 000 Zero', 'RFC 9110 15: codes begin at 100'],
    ['status-099', 'HTTP/1.1 099 Low', 'RFC 9110 15: codes begin at 100'],
    ['status-99', 'HTTP/1.1 99 Low', 'RFC 9112 4: three digits'],
    ['status-600', 'HTTP/1.1 600 High', 'RFC 9110 15: codes end at 599'],
    ['status-999', 'HTTP/1.1 999 High', 'RFC 9110 15: codes end at 599'],
    ['status-1000', 'HTTP/1.1 1000 High', 'RFC 9112 4: three digits'],
    ['status-letters', 'HTTP/1.1 2OO OK', 'RFC 9112 4: three digits'],
    ['status-signed', 'HTTP/1.1 +20 OK', 'RFC 9112 4: three digits'],
    ['status-hex', 'HTTP/1.1 0xC OK', 'RFC 9112 4: three digits'],
    ['status-missing', 'HTTP/1.1 OK', 'RFC 9112 4'],
    ['status-two-spaces', 'HTTP/1.1  200 OK', 'RFC 9112 4: one space'],
    ['status-tab', 'HTTP/1.1\t200 OK', 'RFC 9112 4: one space'],
    ['status-version-2', 'HTTP/2.0 200 OK', 'RFC 9112 2.3: another major version'],
    ['status-version-0-9', 'HTTP/0.9 200 OK', 'RFC 9112 2.3: another major version'],
    ['status-version-lower-case', 'http/1.1 200 OK', 'RFC 9112 2.3: case-sensitive'],
    ['status-version-two-digits', 'HTTP/1.10 200 OK', 'RFC 9112 2.3: one digit'],
    ['status-version-missing-minor', 'HTTP/1 200 OK', 'RFC 9112 2.3'],
    ['status-no-version', '200 OK', 'RFC 9112 4'],
    ['status-leading-space', ' HTTP/1.1 200 OK', 'RFC 9112 4'],
    ['status-leading-empty-line', '\r\nHTTP/1.1 200 OK', 'RFC 9112 2.2: tolerated before requests only'],
    ['status-icy', 'ICY 200 OK', 'another protocol'],
    ['status-ssh-banner', 'SSH-2.0-OpenSSH_9.2', 'another protocol'],
    ['status-html', '<html>hello</html>', 'HTTP/0.9 style'],
    ['status-reason-nul', 'HTTP/1.1 200 a\0b', 'RFC 9112 4: no control characters'],
    ['status-reason-bare-cr', 'HTTP/1.1 200 a\rb', 'RFC 9112 2.2: bare CR'],
    ['status-reason-escape', 'HTTP/1.1 200 \x1b[31m', 'RFC 9112 4: no control characters'],
  ]),
  ...answers(badGateway(), (line) => `HTTP/1.1 200 OK\n${line}\n\nok`, [
    ['response-bare-lf', 'Content-Length: 2', 'RFC 9112 2.2: bare LF is not tolerated'],
  ]),

  ...answers(relay(), withLine, [
    ['response-field', 'X-A: 1', 'RFC 9110 5'],
    ['response-field-empty', 'X-A:', 'RFC 9110 5.5'],
    ['response-field-padded', 'X-A: \t 1 \t', 'RFC 9110 5.5'],
    ['response-field-obs-text', 'X-A: \xe4\xf6', 'RFC 9110 5.5'],
    ['response-field-repeated', 'Set-Cookie: a=1\r\nSet-Cookie: b=2', 'RFC 9110 5.3: never folded'],
    ['response-field-tab-inside', 'X-A: a\tb', 'RFC 9110 5.5'],
  ]),
  ...answers(badGateway(), withLine, [
    ['response-field-no-colon', 'X-A', 'RFC 9112 5'],
    ['response-field-space-before-colon', 'X-A : 1', 'RFC 9112 5.1'],
    ['response-field-empty-name', ': 1', 'RFC 9110 5.1'],
    ['response-field-obs-fold', 'X-A: 1\r\n 2', 'RFC 9112 5.2: a gateway must not forward a fold'],
    ['response-field-first-folded', ' X-A: 1', 'RFC 9112 2.2'],
    ['response-field-nul', 'X-A: a\0b', 'RFC 9110 5.5'],
    ['response-field-bare-cr', 'X-A: a\rb', 'RFC 9112 2.2: response splitting'],
    ['response-field-bare-lf', 'X-A: a\nX-B: b', 'RFC 9112 2.2: response splitting'],
    ['response-field-del', 'X-A: a\x7fb', 'RFC 9110 5.5'],
    ['response-field-escape', 'X-A: \x1b[31m', 'RFC 9110 5.5'],
    ['response-field-name-obs-text', 'X-\xe4: 1', 'RFC 9110 5.1'],
    ['response-field-name-paren', 'X(A): 1', 'RFC 9110 5.1'],
    ['response-connection-nominates-length', 'Connection: content-length', 'RFC 9110 7.6.1'],
    ['response-connection-malformed', 'Connection: a b', 'RFC 9110 7.6.1'],
  ]),

  {
    id: 'response-hop-by-hop-removed',
    why: 'RFC 9110 7.6.1: what the connection names ends here',
    send: GET,
    answers: [
      'HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-End: 2\r\nContent-Length: 2\r\n\r\nok',
    ],
    expect: relay({ fields: { 'x-end': '2' }, absent: ['x-hop', 'keep-alive'] }),
  },
  {
    id: 'response-101-unasked',
    why: 'RFC 9110 15.2.2: a switch that nobody asked for',
    send: GET,
    answers: ['HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'],
    expect: badGateway(),
  },
  {
    id: 'response-100-then-200',
    why: 'RFC 9110 15.2: interim responses are passed on',
    send: GET,
    answers: ['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    expect: relay({ interim: [100] }),
  },
  {
    id: 'response-103-then-200',
    why: 'RFC 8297: early hints, fields and all',
    send: GET,
    answers: [
      'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    ],
    expect: relay({ interim: [103] }),
  },
  {
    id: 'response-three-interims',
    why: 'RFC 9110 15.2: any number of them',
    send: GET,
    answers: [`${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(3)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`],
    expect: relay({ interim: [102, 102, 102] }),
  },
  {
    id: 'response-interims-without-end',
    why: 'a bound on what one request can draw',
    send: GET,
    answers: ['HTTP/1.1 102 Processing\r\n\r\n'.repeat(200)],
    expect: badGateway({ interim: Array.from({ length: 16 }, () => 102) }),
  },
];

/** One case per row: the same request, an answer that differs in one place. */
export function answers(
  expect: Expectation,
  answer: (varied: string) => string,
  rows: [id: string, varied: string, why: string][],
): Case[] {
  return rows.map(([id, varied, why]) => ({ id, why, send: GET, answers: [answer(varied)], expect }));
}
