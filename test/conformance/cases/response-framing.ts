import { badGateway, brokenResponse, type Case, forward, relay } from '../case.ts';
import { ASK, answers, lastAnswers } from './responses.ts';

const ok = (lines: string) => `HTTP/1.1 200 OK\r\n${lines}\r\n\r\nhello`;
const leaking = (lines: string) => `HTTP/1.1 200 OK\r\n${lines}\r\nX-Leak: 1\r\n\r\n4\r\nleak\r\n0\r\n\r\n`;
const head = (start: string) => `HTTP/1.1 ${start}\r\n\r\n`;
const ALL_BYTES = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('');

export const responseFraming: Case[] = [
  ...answers(relay({ body: 'hello' }), ok, [
    ['answer-length', 'Content-Length: 5', 'RFC 9112 6.2'],
    ['answer-length-padded', 'Content-Length: \t5 ', 'RFC 9110 5.5'],
    ['answer-length-name-case', 'CONTENT-LENGTH: 5', 'RFC 9110 5.1'],
    ['answer-length-leading-zero', 'Content-Length: 005', 'RFC 9110 8.6: decimal'],
    ['answer-length-with-keep-alive', 'Connection: keep-alive\r\nContent-Length: 5', 'RFC 9112 9.3'],
  ]),
  ...answers(relay({ body: '' }), head, [
    ['answer-length-zero', '200 OK\r\nContent-Length: 0', 'RFC 9112 6.2'],
    ['answer-204', '204 No Content', 'RFC 9112 6.3 rule 1'],
    ['answer-304', '304 Not Modified\r\nETag: "x"', 'RFC 9112 6.3 rule 1'],
    [
      'answer-304-with-length',
      '304 Not Modified\r\nContent-Length: 1000',
      'RFC 9110 8.6: the length of what 200 would carry',
    ],
    ['answer-302-empty', '302 Found\r\nLocation: /b\r\nContent-Length: 0', 'RFC 9110 15.4.3'],
  ]),
  ...answers(relay({ body: '', absent: ['content-length', 'transfer-encoding'] }), head, [
    [
      'answer-204-with-zero-length',
      '204 No Content\r\nContent-Length: 0',
      'RFC 9110 8.6: no length in a 204; common in the wild, so it is left out',
    ],
    [
      'answer-204-with-length',
      '204 No Content\r\nContent-Length: 5',
      'RFC 9110 8.6, RFC 9112 6.3 rule 1: there is no body, whatever it says',
    ],
    [
      'answer-204-chunked',
      '204 No Content\r\nTransfer-Encoding: chunked',
      'RFC 9112 6.1: must not; 6.3 rule 1: there is no body',
    ],
  ]),
  ...lastAnswers(relay(), (bytes) => bytes, [
    ['answer-until-close', 'HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhello until the end', 'RFC 9112 6.3 rule 8'],
    ['answer-until-close-empty', 'HTTP/1.1 200 OK\r\n\r\n', 'RFC 9112 6.3 rule 8: an empty body'],
    ['answer-until-close-all-bytes', `HTTP/1.1 200 OK\r\n\r\n${ALL_BYTES}`, 'RFC 9112 6: octets'],
    ['answer-until-close-404', 'HTTP/1.1 404 Not Found\r\n\r\nnothing here', 'RFC 9112 6.3 rule 8'],
    [
      'answer-until-close-1-0',
      'HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold server',
      'RFC 9112 6.3 rule 8',
    ],
    [
      'answer-until-close-looks-framed',
      'HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n',
      'RFC 9112 6.3 rule 8: all of it is body',
    ],
    ['answer-length-1-0', 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'RFC 9112 6.2'],
    [
      'answer-length-1-0-keep-alive',
      'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello',
      'RFC 9112 9.3',
    ],
    [
      'answer-length-close',
      'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello',
      'RFC 9112 9.6',
    ],
    [
      'answer-length-64-kib',
      `HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n${'0123456789'.repeat(10_000)}`,
      'a body larger than what one read brings',
    ],
  ]),

  ...answers(badGateway(), leaking, [
    [
      'answer-length-and-coding',
      'Content-Length: 5\r\nTransfer-Encoding: chunked',
      'RFC 9112 6.3 rule 3: ought to be handled as an error',
    ],
    ['answer-coding-and-length', 'Transfer-Encoding: chunked\r\nContent-Length: 14', 'RFC 9112 6.3 rule 3'],
    [
      'answer-length-twice',
      'Content-Length: 5\r\nContent-Length: 5',
      'RFC 9110 8.6: reject or repair; rejected',
    ],
    [
      'answer-length-twice-different',
      'Content-Length: 5\r\nContent-Length: 3',
      'RFC 9112 6.3 rule 5: must be 502',
    ],
    ['answer-length-list', 'Content-Length: 5, 5', 'RFC 9110 8.6: reject or repair; rejected'],
    ['answer-length-list-different', 'Content-Length: 5, 3', 'RFC 9112 6.3 rule 5: must be 502'],
    ['answer-length-empty', 'Content-Length:', 'RFC 9112 6.3 rule 5: must be 502'],
    ['answer-length-plus', 'Content-Length: +5', 'RFC 9110 8.6'],
    ['answer-length-minus', 'Content-Length: -1', 'RFC 9110 8.6'],
    ['answer-length-hexadecimal', 'Content-Length: 0x5', 'RFC 9110 8.6'],
    ['answer-length-fraction', 'Content-Length: 5.0', 'RFC 9110 8.6'],
    ['answer-length-text-behind', 'Content-Length: 5 bytes', 'RFC 9110 8.6'],
    [
      'answer-length-2-64-plus-5',
      'Content-Length: 18446744073709551621',
      'RFC 9110 8.6: prevent integer overflow',
    ],
    ['answer-length-beyond-2-53', 'Content-Length: 9007199254740993', 'not representable as a double'],
    [
      'answer-coding-unknown',
      'Transfer-Encoding: xchunked',
      'RFC 9112 6.1: the proxy sent no TE that allows it',
    ],
    ['answer-coding-gzip', 'Transfer-Encoding: gzip', 'RFC 9112 6.1, 7.4: not asked for'],
    ['answer-coding-gzip-chunked', 'Transfer-Encoding: gzip, chunked', 'RFC 9112 6.1, 7.4: not asked for'],
    [
      'answer-coding-identity',
      'Transfer-Encoding: identity',
      'removed from the registry (RFC 7230 A.2): unknown',
    ],
    ['answer-coding-chunked-gzip', 'Transfer-Encoding: chunked, gzip', 'RFC 9112 6.3 rule 4'],
    [
      'answer-coding-twice',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
      'RFC 9112 6.1: chunked once',
    ],
    [
      'answer-coding-chunked-twice-listed',
      'Transfer-Encoding: chunked, chunked',
      'RFC 9112 6.1: chunked once',
    ],
    ['answer-coding-empty', 'Transfer-Encoding:', 'RFC 9112 6.1'],
    [
      'answer-coding-parameter',
      'Transfer-Encoding: chunked;q=1',
      'RFC 9112 7.1: parameters of chunked are an error',
    ],
    ['answer-coding-vertical-tab', 'Transfer-Encoding: \x0bchunked', 'RFC 9110 5.5'],
    ['answer-coding-space-before-colon', 'Transfer-Encoding : chunked', 'RFC 9112 5.1'],
    [
      'answer-coding-nominated',
      'Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked',
      'CVE-2026-26365, in the other direction',
    ],
  ]),
  {
    id: 'answer-coding-on-1-0',
    why: 'RFC 9112 6.1: Transfer-Encoding in HTTP/1.0 means that the framing is faulty',
    send: ASK,
    answers: [
      { bytes: 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nleak\r\n0\r\n\r\n', after: 'end' },
    ],
    expect: badGateway(),
  },

  // The client must be able to tell a body that broke off (RFC 9112 8) from one that is complete.
  ...lastAnswers(brokenResponse({ body: 'hello' }), (bytes) => bytes, [
    ['answer-length-truncated', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello', 'RFC 9112 8'],
    ['answer-length-truncated-at-once', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n', 'RFC 9112 8'],
    ['answer-length-truncated-by-one', 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello', 'RFC 9112 8'],
    [
      'answer-length-2-32-plus-5',
      'HTTP/1.1 200 OK\r\nContent-Length: 4294967301\r\n\r\nhello',
      'wraps to 5 in 32 bits',
    ],
  ]),
  {
    id: 'answer-length-reset',
    why: 'RFC 9112 8: a reset in the middle of the body',
    send: ASK,
    answers: [{ bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello', after: 'reset' }],
    expect: brokenResponse({ body: 'hello' }),
  },
  {
    id: 'answer-until-close-reset',
    why: 'RFC 9112 8: without a declared length, only the kind of ending tells that a body broke off',
    send: ASK,
    answers: [{ bytes: 'HTTP/1.1 200 OK\r\n\r\nhello', after: 'reset' }],
    expect: brokenResponse({ body: 'hello' }),
  },

  // What follows a complete answer was not asked for: it reaches nobody, least of all the next request (response queue poisoning).
  ...answers(
    relay({ body: 'hello' }),
    (behind) => `HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello${behind}`,
    [
      [
        'answer-body-too-long',
        ' world',
        'RFC 9112 9.2: unsolicited; the connection upstream cannot be trusted any more',
      ],
      ['answer-body-one-too-long', '!', 'RFC 9112 9.2'],
      ['answer-crlf-behind', '\r\n', 'RFC 9112 9.2'],
      [
        'answer-response-behind',
        'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison',
        'Kettle 2022 (response queue poisoning); RFC 9112 6.3',
      ],
      ['answer-interim-behind', 'HTTP/1.1 103 Early Hints\r\n\r\n', 'RFC 9112 9.2'],
      [
        'answer-continue-behind',
        'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison',
        'RFC 9112 9.2',
      ],
    ],
  ),
  ...answers(
    relay({ body: '' }),
    (start) => `HTTP/1.1 ${start}\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`,
    [
      ['answer-204-with-response-behind', '204 No Content', 'RFC 9112 6.3 rule 1; response queue poisoning'],
      [
        'answer-304-with-response-behind',
        '304 Not Modified',
        'RFC 9112 6.3 rule 1; response queue poisoning',
      ],
      [
        'answer-empty-with-response-behind',
        '200 OK\r\nContent-Length: 0',
        'RFC 9112 9.2; response queue poisoning',
      ],
    ],
  ),
  ...answers(relay({ body: '', absent: ['content-length'] }), (bytes) => bytes, [
    [
      'answer-204-with-body',
      'HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison',
      'RFC 9112 6.3 rule 1: the bytes are no body',
    ],
  ]),
  ...answers(relay({ body: '' }), (bytes) => bytes, [
    [
      'answer-304-with-body',
      'HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\npoison',
      'RFC 9112 6.3 rule 1: the bytes are no body',
    ],
  ]),
  {
    id: 'answer-late-response',
    why: 'RFC 9112 9.2: a response on an idle connection is unsolicited and must not answer the next request',
    send: ASK,
    answers: [
      {
        bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
        late: 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison',
      },
    ],
    expect: relay(),
  },
  {
    id: 'answer-late-408',
    why: 'RFC 9110 15.5.9: servers announce the end of an idle connection like this',
    send: ASK,
    answers: [
      {
        bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
        late: 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n',
      },
    ],
    expect: relay(),
  },
  {
    id: 'answer-two-requests-one-connection',
    why: 'RFC 9112 9.3: answers of one upstream connection stay apart',
    send: [ASK, { until: 'response' }, ASK],
    answers: [
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nsecond\r\n0\r\n\r\n',
    ],
    expect: forward({}, {}),
  },
];
