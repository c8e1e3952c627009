import { type Case, forward, forwardAndClose, forwardThenReject } from '../case.ts';
import { wire } from '../wire.ts';

const get = (target: string) => `GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`;
const answer = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const NAMES = Array.from({ length: 10 }, (_, i) => `/${i}`);

/** Answers come back in the order of the requests, each to its own (RFC 9112 9.3.2). */
export const pipelining: Case[] = [
  {
    id: 'pipeline-two',
    why: 'RFC 9112 9.3.2',
    send: get('/a') + get('/b'),
    answers: [answer('first'), answer('second')],
    expect: forward({ target: '/a' }, { target: '/b' }),
  },
  {
    id: 'pipeline-ten',
    why: 'RFC 9112 9.3.2',
    send: NAMES.map(get).join(''),
    answers: NAMES.map((name) => answer(`answer to ${name}`)),
    expect: forward(...NAMES.map((target) => ({ target }))),
  },
  {
    id: 'pipeline-with-length-body',
    why: 'RFC 9112 6.2: the next request starts behind the body',
    send: wire`
      POST /a HTTP/1.1
      Host: a.test
      Content-Length: 5

      hello${get('/b')}`,
    expect: forward({ target: '/a', body: 'hello' }, { target: '/b' }),
  },
  {
    id: 'pipeline-with-chunked-body',
    why: 'RFC 9112 7.1: the next request starts behind the trailers',
    send: wire`
      POST /a HTTP/1.1
      Host: a.test
      Transfer-Encoding: chunked

      5
      hello
      0
      X-T: 1

      ${get('/b')}`,
    expect: forward({ target: '/a', body: 'hello' }, { target: '/b' }),
  },
  {
    id: 'pipeline-body-that-looks-like-a-request',
    why: 'RFC 9112 11.2: a body is a body, whatever it says',
    send: wire`
      POST /a HTTP/1.1
      Host: a.test
      Content-Length: ${get('/not-a-request').length}

      ${get('/not-a-request')}${get('/b')}`,
    expect: forward({ target: '/a', body: get('/not-a-request') }, { target: '/b' }),
  },
  {
    id: 'pipeline-of-posts',
    why: 'RFC 9112 9.3.2 advises clients against it, servers serve it',
    send: ['one', 'two', 'three']
      .map(
        (body) => `POST /${body} HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      )
      .join(''),
    answers: [answer('1'), answer('22'), answer('')],
    expect: forward({ body: 'one' }, { body: 'two' }, { body: 'three' }),
  },
  {
    id: 'pipeline-head-then-get',
    why: 'RFC 9110 9.3.2: the length in the answer to HEAD announces no bytes',
    send: `HEAD /a HTTP/1.1\r\nHost: a.test\r\n\r\n${get('/b')}`,
    answers: ['HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n', answer('second')],
    expect: forward({ method: 'HEAD', target: '/a' }, { method: 'GET', target: '/b' }),
  },
  {
    id: 'pipeline-304-then-200',
    why: 'RFC 9112 6.3 rule 1: a 304 ends with its head',
    send: get('/a') + get('/b'),
    answers: ['HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\nETag: "x"\r\n\r\n', answer('second')],
    expect: forward({ target: '/a' }, { target: '/b' }),
  },
  {
    id: 'pipeline-of-different-framings',
    why: 'RFC 9112 6.3: each answer is framed in its own way',
    send: ['/a', '/b', '/c', '/d'].map(get).join(''),
    answers: [
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n',
      'HTTP/1.1 204 No Content\r\n\r\n',
      { bytes: 'HTTP/1.1 200 OK\r\n\r\nuntil close', after: 'end' },
      answer('four'),
    ],
    expect: forward({ target: '/a' }, { target: '/b' }, { target: '/c' }, { target: '/d' }),
  },
  {
    id: 'pipeline-origin-closes-each-time',
    why: 'RFC 9112 9.6: close of the origin is not close of the proxy',
    send: ['/a', '/b', '/c'].map(get).join(''),
    answers: ['a', 'b', 'c'].map((body) => ({
      bytes: `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n${body}`,
      after: 'end' as const,
    })),
    expect: forward({ target: '/a' }, { target: '/b' }, { target: '/c' }),
  },
  {
    id: 'pipeline-second-is-bad',
    why: 'RFC 9112 9.3.2: the first is answered before the second is refused',
    send: `${get('/a')}GET /b HTTP/1.1\r\nHost : a.test\r\n\r\n`,
    answers: [answer('first')],
    expect: forwardThenReject([{ target: '/a' }], 400),
  },
  {
    id: 'pipeline-second-is-ambiguous',
    why: 'RFC 9112 6.3: refused as if it stood alone',
    send: `${get('/a')}POST /b HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    expect: forwardThenReject([{ target: '/a' }], 400),
  },
  {
    id: 'pipeline-third-is-noise',
    why: 'RFC 9112 9.3.2',
    send: `${get('/a')}${get('/b')}\x00\x01\x02\r\n\r\n`,
    expect: forwardThenReject([{ target: '/a' }, { target: '/b' }], 400),
  },
  {
    id: 'pipeline-behind-a-bad-one',
    why: 'RFC 9112 9.6: what follows a refused request is not served',
    send: `${get('/a')}GET /b HTTP/1.1\r\n\r\n${get('/c')}`,
    expect: forwardThenReject([{ target: '/a' }], 400),
  },
  {
    id: 'pipeline-then-close',
    why: 'RFC 9112 9.6: what follows close is not served',
    send: `${get('/a')}GET /b HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n${get('/c')}`,
    expect: forwardAndClose({ target: '/a' }, { target: '/b' }),
  },
  {
    id: 'sequence-on-one-connection',
    why: 'RFC 9112 9.3: one request after the other',
    send: [get('/a'), { until: 'response' }, get('/b'), { until: 'response' }, get('/c')],
    answers: [answer('1'), answer('22'), answer('333')],
    expect: forward({ target: '/a' }, { target: '/b' }, { target: '/c' }),
  },
];
