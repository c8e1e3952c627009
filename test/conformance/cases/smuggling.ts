import { type Case, family, forward, forwardThenReject, reject } from '../case.ts';
import { wire } from '../wire.ts';

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n';

/** Both framing fields, in the given lines, with a body that reads differently under each. */
const withBoth = (lines: string) => wire`
  POST / HTTP/1.1
  Host: a.test
  ${lines}

  0

  ${SMUGGLED}`;

/** Whole attacks as published. Refused at the first ambiguity, or shown to be none: then a body stays a body. */
export const smuggling: Case[] = [
  // RFC 9112 6.1 and 6.3: a message with both fields ought to be handled as an error.
  ...family(reject(400), withBoth, [
    [
      'smuggle-cl-te',
      `Content-Length: ${5 + SMUGGLED.length}\r\nTransfer-Encoding: chunked`,
      'Kettle 2019 (CL.TE); RFC 9112 6.3 rule 3',
    ],
    [
      'smuggle-te-cl',
      'Transfer-Encoding: chunked\r\nContent-Length: 5',
      'Kettle 2019 (TE.CL); RFC 9112 6.3 rule 3',
    ],
    [
      'smuggle-cl-te-agreeing',
      'Content-Length: 5\r\nTransfer-Encoding: chunked',
      'RFC 9112 6.3 rule 3: even where both would agree',
    ],
    ['smuggle-cl-te-zero', 'Content-Length: 0\r\nTransfer-Encoding: chunked', 'RFC 9112 6.3 rule 3'],
    [
      'smuggle-cl-te-far-apart',
      'Content-Length: 5\r\nX-A: b\r\nX-C: d\r\nTransfer-Encoding: chunked',
      'RFC 9112 6.3 rule 3',
    ],
    ['smuggle-cl-te-invalid-length', 'Content-Length: x\r\nTransfer-Encoding: chunked', 'RFC 9112 6.3'],
    [
      'smuggle-cl-te-unknown-coding',
      'Content-Length: 5\r\nTransfer-Encoding: xchunked',
      'Kettle 2019 (TE.TE)',
    ],
    [
      'smuggle-cl-te-identity',
      'Content-Length: 5\r\nTransfer-Encoding: identity',
      'Watchfire 2005; CVE-2019-15605',
    ],
    ['smuggle-cl-te-empty-coding', 'Content-Length: 5\r\nTransfer-Encoding:', 'CVE-2019-16789'],
    ['smuggle-cl-te-vertical-tab', 'Content-Length: 5\r\nTransfer-Encoding: \x0bchunked', 'CVE-2019-18277'],
    ['smuggle-cl-te-form-feed', 'Content-Length: 5\r\nTransfer-Encoding: chunked\x0c', 'CVE-2019-15605'],
    ['smuggle-cl-te-nul', 'Content-Length: 5\r\nTransfer-Encoding: \0chunked', 'Kettle 2019 (TE.TE)'],
    [
      'smuggle-cl-te-space-before-colon',
      'Content-Length: 5\r\nTransfer-Encoding : chunked',
      'Kettle 2019 (TE.TE); CVE-2021-22959',
    ],
    [
      'smuggle-cl-te-tab-before-colon',
      'Content-Length: 5\r\nTransfer-Encoding\t: chunked',
      'Kettle 2019 (TE.TE)',
    ],
    ['smuggle-cl-te-indented', 'Content-Length: 5\r\n Transfer-Encoding: chunked', 'Kettle 2019 (TE.TE)'],
    [
      'smuggle-cl-te-behind-lf',
      'Content-Length: 5\r\nX-A: b\nTransfer-Encoding: chunked',
      'Kettle 2019 (TE.TE)',
    ],
    ['smuggle-cl-te-behind-cr', 'Content-Length: 5\r\nX-A: b\rTransfer-Encoding: chunked', 'CVE-2023-30589'],
    ['smuggle-cl-te-folded', 'Content-Length: 5\r\nTransfer-Encoding:\r\n chunked', 'CVE-2022-32215'],
    ['smuggle-cl-te-quoted', 'Content-Length: 5\r\nTransfer-Encoding: "chunked"', 'Kettle 2019 (TE.TE)'],
    [
      'smuggle-cl-te-two-codings',
      'Content-Length: 5\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x',
      'Kettle 2019 (TE.TE)',
    ],
    [
      'smuggle-cl-te-list',
      'Content-Length: 5\r\nTransfer-Encoding: identity, chunked',
      'CVE-2019-15605; refused with 400 for the length beside it',
    ],
    [
      'smuggle-cl-te-nominated',
      'Content-Length: 5\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked',
      'CVE-2026-26365',
    ],
    ['smuggle-cl-cl', `Content-Length: 5\r\nContent-Length: ${5 + SMUGGLED.length}`, 'Watchfire 2005'],
    ['smuggle-cl-cl-list', `Content-Length: 5, ${5 + SMUGGLED.length}`, 'Watchfire 2005'],
    ['smuggle-cl-obfuscated', 'Content-Length: 0\r\nContent-Length\x0b: 5', 'T-Reqs 2021'],
    ['smuggle-cl-plus', 'Content-Length: +5', 'CVE-2022-24801'],
    ['smuggle-host-in-fold', 'X-A: b\r\n Host: b.test\r\nContent-Length: 5', 'Host of Troubles (CCS 2016)'],
  ]),
  {
    id: 'smuggle-te-on-1-0-with-length',
    why: 'RFC 9112 6.1: HTTP/1.0 with Transfer-Encoding has faulty framing, and a chain may disagree on it',
    send: wire`
      POST / HTTP/1.0
      Host: a.test
      Connection: keep-alive
      Content-Length: 5
      Transfer-Encoding: chunked

      0

      ${SMUGGLED}`,
    expect: reject(400),
  },

  // CL.0, TE.0: an origin that ignores the body would read it as a request. The proxy frames it without a doubt, and forwards it as body.
  {
    id: 'smuggle-cl-0',
    why: 'Kettle 2022 (CL.0)',
    send: wire`
      POST /static/app.js HTTP/1.1
      Host: a.test
      Content-Length: ${SMUGGLED.length}

      ${SMUGGLED}`,
    expect: forward({ target: '/static/app.js', body: SMUGGLED }),
  },
  {
    id: 'smuggle-cl-0-get',
    why: 'Kettle 2022 (CL.0): with a method that seldom has a body',
    send: wire`
      GET / HTTP/1.1
      Host: a.test
      Content-Length: ${SMUGGLED.length}

      ${SMUGGLED}`,
    expect: forward({ body: SMUGGLED }),
  },
  {
    id: 'smuggle-te-0',
    why: 'TE.0 (2024): OPTIONS with a chunked body that an origin ignores',
    send: wire`
      OPTIONS / HTTP/1.1
      Host: a.test
      Transfer-Encoding: chunked

      ${SMUGGLED.length.toString(16)}
      ${SMUGGLED}
      0

      `,
    expect: forward({ method: 'OPTIONS', body: SMUGGLED }),
  },
  {
    id: 'smuggle-0-cl',
    why: 'Kettle 2025 (0.CL): a length that only one side sees, here hidden behind a space',
    send: wire`
      GET /con HTTP/1.1
      Host: a.test
      Content-Length : ${SMUGGLED.length}

      ${SMUGGLED}`,
    expect: reject(400),
  },
  {
    id: 'smuggle-0-cl-folded',
    why: 'Kettle 2025 (0.CL): a length that only one side sees, here in a folded line',
    send: wire`
      GET /con HTTP/1.1
      Host: a.test
      Content-Length:
       ${SMUGGLED.length}

      ${SMUGGLED}`,
    expect: reject(400),
  },
  {
    id: 'smuggle-expect-options-folded',
    why: 'CVE-2025-32094: OPTIONS with a folded Expect and a body',
    send: wire`
      OPTIONS / HTTP/1.1
      Host: a.test
      Expect:
       100-continue
      Content-Length: ${SMUGGLED.length}

      ${SMUGGLED}`,
    expect: reject(400),
  },
  {
    id: 'smuggle-behind-length',
    why: 'RFC 9112 9.3.2: what is behind the body is a request of its own, seen by every policy as such',
    send: wire`
      POST / HTTP/1.1
      Host: a.test
      Content-Length: 5

      hello${SMUGGLED}`,
    expect: forward({ target: '/', body: 'hello' }, { target: '/smuggled' }),
  },
  {
    id: 'smuggle-behind-last-chunk',
    why: 'RFC 9112 9.3.2: what is behind the last chunk is a request of its own, seen by every policy as such',
    send: wire`
      POST / HTTP/1.1
      Host: a.test
      Transfer-Encoding: chunked

      0

      ${SMUGGLED}`,
    expect: forward({ target: '/', body: '' }, { target: '/smuggled' }),
  },
  {
    id: 'smuggle-fat-get-without-length',
    why: 'RFC 9112 6.3 rule 7: no length, no body; the remains are refused',
    send: 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\nX=1\r\n\r\n',
    expect: forwardThenReject([{ target: '/', body: '' }], 400),
  },
  {
    id: 'smuggle-encoded-crlf-stays-encoded',
    why: 'CVE-2023-25690: decoding the target before forwarding it would split the request',
    send: 'GET /a%20HTTP/1.1%0d%0aHost:%20b.test%0d%0a%0d%0aGET%20/smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n',
    expect: forward(),
  },
];
