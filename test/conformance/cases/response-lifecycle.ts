import { type Answer, badGateway, type Case, forward, relay, relayEarly } from '../case.ts';
import { wire } from '../wire.ts';
import { ASK } from './responses.ts';

const postHead = (length: number) => wire`
  POST /upload HTTP/1.1
  Host: a.test
  Content-Length: ${length}

  `;
const CHUNKED_POST_HEAD = 'POST /upload HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n';
const REFUSED = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno';
const REFUSED_AND_CLOSED =
  'HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno';
/** More than all the buffers between the two ends hold: 16 MB. */
const LARGE_UPLOAD = 0x100_0000;

const broken = (id: string, why: string, answer: Answer): Case => ({
  id,
  why,
  send: ASK,
  answers: [answer],
  expect: badGateway(),
});

export const responseLifecycle: Case[] = [
  // An answer ahead of the request’s end (RFC 9112 9.3, RFC 9110 10.1.1): it is delivered, and what is left of the body never becomes
  // a request.
  {
    id: 'early-answer-then-rest-of-body',
    why: 'RFC 9112 7.5: a server may answer before it has read the body',
    send: [`${postHead(10)}hello`, { until: 'response' }, 'world'],
    answers: [{ bytes: REFUSED, early: true }],
    expect: relayEarly('open'),
  },
  {
    id: 'early-success-then-rest-of-body',
    why: 'RFC 9112 9.3: a server reads what is left of a request, or closes',
    send: [`${CHUNKED_POST_HEAD}5\r\nhello\r\n`, { until: 'response' }, '5\r\nworld\r\n0\r\n\r\n'],
    answers: [{ bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', early: true }],
    expect: relayEarly('open'),
  },
  {
    id: 'early-answer-and-close',
    why: 'RFC 9112 9.6: the origin answers and closes while the body is on its way',
    send: [`${postHead(100_000)}hello`, { until: 'response' }],
    answers: [{ bytes: REFUSED_AND_CLOSED, early: true, after: 'end' }],
    expect: relayEarly('closed'),
  },
  {
    id: 'early-answer-to-large-upload',
    why: 'RFC 9112 9.6: who has much to send gets the answer, not a reset, even if it reads only when all is sent',
    send: postHead(LARGE_UPLOAD) + 'x'.repeat(LARGE_UPLOAD),
    sendsFirst: true,
    answers: [{ bytes: REFUSED_AND_CLOSED, stopsAt: 10_000 }],
    expect: relayEarly('closed'),
  },
  {
    id: 'early-answer-chunked-rest-follows',
    why: 'RFC 9112 7.1: the rest of a chunked body is read as chunks or not at all',
    send: [`${CHUNKED_POST_HEAD}5\r\nhello\r\n`, { until: 'response' }, '5\r\nworld\r\n0\r\n\r\n'],
    answers: [{ bytes: REFUSED, early: true }],
    expect: relayEarly('closed'),
  },
  {
    id: 'early-answer-rest-looks-like-request',
    why: 'RFC 9112 11.2: the rest of a body whose answer is there is a body still',
    send: [`${postHead(45)}hello`, { until: 'response' }, 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n'],
    answers: [{ bytes: REFUSED, early: true }],
    expect: relayEarly('open'),
  },
  {
    id: 'early-answer-in-one-packet',
    why: 'RFC 9112 9.3: the whole request is there already',
    send: `${postHead(5)}hello`,
    answers: [{ bytes: REFUSED, early: true }],
    expect: relay(),
  },
  // Nothing usable came: 502, or the proxy may try again where that is safe; the origin then breaks again.
  broken('origin-closes-without-answer', 'RFC 9110 15.6.3', { bytes: '', after: 'end' }),
  broken('origin-resets-without-answer', 'RFC 9110 15.6.3', { bytes: '', after: 'reset' }),
  broken('origin-closes-in-status-line', 'RFC 9112 8', { bytes: 'HTTP/1.1 200 Leak', after: 'end' }),
  broken('origin-closes-in-fields', 'RFC 9112 8: a head without its end is no answer', {
    bytes: 'HTTP/1.1 200 OK\r\nX-Leak: 1\r\n',
    after: 'end',
  }),
  broken('origin-resets-in-fields', 'RFC 9112 8', {
    bytes: 'HTTP/1.1 200 OK\r\nX-Leak: 1\r\n',
    after: 'reset',
  }),
  broken('origin-closes-before-empty-line', 'RFC 9112 8', {
    bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Leak: 1\r\n',
    after: 'end',
  }),
  {
    id: 'origin-closes-without-answer-to-post',
    why: 'RFC 9110 9.2.2: a POST must not be repeated on its own; RFC 9112 9.3.1',
    send: `${postHead(5)}hello`,
    answers: [{ bytes: '', after: 'end' }],
    expect: { ...badGateway(), upstream: [{ method: 'POST', target: '/upload', body: 'hello' }] },
  },
  {
    id: 'origin-closes-behind-answer',
    why: 'RFC 9112 9.6: an end behind a complete answer is no error, and the client’s connection goes on',
    send: [ASK, { until: 'response' }, ASK],
    answers: [
      { bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst', after: 'end' },
      'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond',
    ],
    expect: forward({}, {}),
  },
  {
    id: 'origin-fails-between-two-good-answers',
    why: 'RFC 9110 15.6.3: one bad answer is of one exchange only',
    send: [ASK, { until: 'response' }, `${postHead(2)}hi`, { until: 'response' }, ASK],
    answers: [
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst',
      'HTTP/1.1 2OO OK\r\nX-Leak: 1\r\n\r\nleak',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthird',
    ],
    expect: {
      ...badGateway(),
      responses: [{ from: 'origin' }, { from: 'proxy', status: [502] }, { from: 'origin' }],
      connection: 'open',
    },
  },
  {
    id: 'origin-invalid-answer-to-head',
    why: 'RFC 9110 9.3.2: the proxy’s 502 to HEAD has no body',
    send: 'HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n',
    answers: ['HTTP/1.1 2OO OK\r\nX-Leak: 1\r\n\r\nleak'],
    expect: badGateway(),
  },
  {
    id: 'origin-invalid-answer-to-1-0',
    why: 'RFC 9112 9.3: the proxy’s 502 closes the connection of an HTTP/1.0 client',
    send: 'GET / HTTP/1.0\r\nHost: a.test\r\n\r\n',
    answers: ['HTTP/1.1 2OO OK\r\nX-Leak: 1\r\n\r\nleak'],
    expect: { ...badGateway(), connection: 'closed' },
  },
];
