import { type Case, family, forward, forwardAndClose, reject, relay } from '../case.ts';
import { wire } from '../wire.ts';

const headWith = (line: string) => wire`
  POST / HTTP/1.1
  Host: a.test
  ${line}
  Content-Length: 5

  `;
const HEAD = headWith('Expect: 100-continue');
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

export const expectation: Case[] = [
  {
    id: 'expect-continue',
    why: 'RFC 9110 10.1.1: the expectation is forwarded, 100 comes from the origin, then the body follows',
    send: [HEAD, { until: 'upstream-head' }, { until: 'interim' }, 'hello'],
    answers: [{ atHead: CONTINUE, bytes: OK }],
    expect: forward({ body: 'hello', fields: { expect: '100-continue' } }),
  },
  {
    id: 'expect-continue-case',
    why: 'RFC 9110 10.1.1: the value is case-insensitive',
    send: [headWith('Expect: 100-Continue'), { until: 'interim' }, 'hello'],
    answers: [{ atHead: CONTINUE, bytes: OK }],
    expect: forward({ body: 'hello' }),
  },
  {
    id: 'expect-continue-chunked',
    why: 'RFC 9110 10.1.1: whatever frames the body',
    send: [
      'POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n',
      { until: 'interim' },
      '5\r\nhello\r\n0\r\n\r\n',
    ],
    answers: [{ atHead: CONTINUE, bytes: OK }],
    expect: forward({ body: 'hello' }),
  },
  {
    id: 'expect-continue-client-does-not-wait',
    why: 'RFC 9110 10.1.1: a client need not wait for 100',
    send: `${HEAD}hello`,
    answers: [{ atHead: CONTINUE, bytes: OK }],
    expect: forward({ body: 'hello' }),
  },
  {
    id: 'expect-continue-origin-omits-100',
    why: 'RFC 9110 10.1.1: a server may omit 100 once it has seen the body',
    send: `${HEAD}hello`,
    answers: [OK],
    expect: forward({ body: 'hello' }),
  },
  {
    id: 'expect-continue-two-interims',
    why: 'RFC 9110 15.2: any number of 1xx may come first',
    send: [HEAD, { until: 'interim' }, 'hello'],
    answers: [
      { atHead: `${CONTINUE}HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n`, bytes: OK },
    ],
    expect: forward({ body: 'hello' }),
  },
  {
    id: 'expect-continue-final-answer-instead',
    why: 'RFC 9110 10.1.1: a final status instead of 100; the body is never sent',
    send: [HEAD, { until: 'response' }],
    answers: [
      {
        bytes: 'HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno',
        early: true,
        after: 'end',
      },
    ],
    expect: { ...relay(), connection: 'closed' },
  },
  {
    id: 'expect-continue-final-answer-body-follows',
    why: 'RFC 9110 10.1.1: after a final status the body may still come; it must not become a request',
    send: [HEAD, { until: 'response' }, 'hello'],
    answers: [{ bytes: 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno', early: true }],
    expect: relay(),
  },
  {
    id: 'expect-continue-without-body',
    why: 'RFC 9110 10.1.1: without content there is nothing to wait for',
    send: wire`
      GET / HTTP/1.1
      Host: a.test
      Expect: 100-continue

      `,
    expect: forward({ method: 'GET', onlyNamed: true }),
  },
  {
    id: 'expect-continue-on-1-0',
    why: 'RFC 9110 10.1.1: in an HTTP/1.0 request the expectation is ignored',
    send: wire`
      POST / HTTP/1.0
      Host: a.test
      Expect: 100-continue
      Content-Length: 5

      hello`,
    answers: [OK],
    expect: forwardAndClose({ method: 'POST', target: '/', body: 'hello', onlyNamed: true }),
  },
  {
    id: 'expect-continue-pipelined',
    why: 'RFC 9112 9.3.2: the interim answer belongs to the second request',
    send: [`GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n${HEAD}`, { until: 'response' }, 'hello'],
    answers: [OK, { atHead: CONTINUE, bytes: OK }],
    expect: forward({ target: '/a' }, { target: '/', body: 'hello' }),
  },

  ...family(reject(417), headWith, [
    [
      'expect-unknown',
      'Expect: 200-ok',
      'RFC 9110 10.1.1: an expectation that cannot be met is answered with 417',
    ],
    ['expect-unknown-member', 'Expect: 100-continue, x-tulle', 'RFC 9110 10.1.1'],
    ['expect-with-value', 'Expect: 100-continue=yes', 'RFC 9110 10.1.1'],
    [
      'expect-with-prefix',
      'Expect: y 100-continue',
      'Kettle 2025 (0.CL): an expectation half of the chain understands',
    ],
    ['expect-with-suffix', 'Expect: 100-continue x', 'Kettle 2025 (0.CL)'],
    ['expect-number-only', 'Expect: 100', 'RFC 9110 10.1.1'],
    ['expect-quoted', 'Expect: "100-continue"', 'RFC 9110 10.1.1'],
  ]),
  ...family(reject(400), headWith, [
    [
      'expect-folded',
      'Expect:\r\n 100-continue',
      'CVE-2025-32094: OPTIONS, Expect and a folded line; RFC 9112 5.2',
    ],
    ['expect-bare-lf', 'Expect: \n100-continue', 'Kettle 2025 (0.CL); RFC 9112 2.2'],
    ['expect-space-before-colon', 'Expect : 100-continue', 'RFC 9112 5.1'],
    ['expect-nul', 'Expect: 100-continue\0', 'RFC 9110 5.5'],
  ]),
];
