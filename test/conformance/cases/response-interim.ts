import { LIMITS } from '../../../sidecar/src/core/limits.ts';
import { badGateway, type Case, relay } from '../case.ts';
import { answers, lastAnswers } from './responses.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const LEAK = 'HTTP/1.1 200 OK\r\nX-Leak: 1\r\nContent-Length: 4\r\n\r\nleak';
const HINTS = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n';

/** RFC 9110 15.2: a proxy must forward 1xx responses, unless it asked for them itself. */
export const responseInterim: Case[] = [
  ...answers(relay(), (interim) => interim + OK, [
    [
      'interim-100-unasked',
      'HTTP/1.1 100 Continue\r\n\r\n',
      'RFC 9110 15.2: a client must be able to take it unexpected',
    ],
    ['interim-102', 'HTTP/1.1 102 Processing\r\n\r\n', 'RFC 2518 10.1'],
    [
      'interim-102-three-times',
      'HTTP/1.1 102 Processing\r\n\r\n'.repeat(3),
      'RFC 9110 15.2: any number of them',
    ],
    ['interim-103-with-fields', HINTS, 'RFC 8297: the fields are forwarded with it'],
    ['interim-103-twice', HINTS + HINTS, 'RFC 8297 2: any number of them'],
    ['interim-100-then-103', `HTTP/1.1 100 Continue\r\n\r\n${HINTS}`, 'RFC 9110 15.2'],
    [
      'interim-unknown-199',
      'HTTP/1.1 199 Unregistered\r\n\r\n',
      'RFC 9110 15: unknown codes count as x00 of their class',
    ],
    ['interim-empty-reason', 'HTTP/1.1 103 \r\n\r\n', 'RFC 9112 4'],
    ['interim-at-limit', HINTS.repeat(LIMITS.interimResponses), 'RFC 9110 15.2: zero or more'],
  ]),
  // RFC 9112 6.3 rule 1: an interim response ends with its head, whatever it says; the framing goes no further.
  ...answers(relay(), (lines) => `HTTP/1.1 103 Early Hints\r\n${lines}\r\n\r\n${OK}`, [
    ['interim-with-length', 'Content-Length: 5', 'RFC 9110 8.6: must not have one'],
    ['interim-with-coding', 'Transfer-Encoding: chunked', 'RFC 9112 6.1: must not have one'],
  ]),
  ...answers(relay(), (status) => `${HINTS}HTTP/1.1 ${status}\r\n\r\n`, [
    ['interim-then-204', '204 No Content', 'RFC 9110 15.2'],
    ['interim-then-304', '304 Not Modified', 'RFC 9110 15.2'],
  ]),
  ...lastAnswers(relay(), (bytes) => bytes, [
    ['interim-then-until-close', `${HINTS}HTTP/1.1 200 OK\r\n\r\nhello`, 'RFC 9110 15.2'],
  ]),
  ...lastAnswers(badGateway({ interim: [103] }), (bytes) => bytes, [
    ['interim-then-nothing', HINTS, 'RFC 9110 15.2: the final response is missing'],
    ['interim-then-half-a-head', `${HINTS}HTTP/1.1 200 OK\r\nX-Leak`, 'RFC 9112 8'],
  ]),
  ...answers(badGateway({ interim: [103] }), (bytes) => HINTS + bytes, [
    [
      'interim-then-invalid',
      'HTTP/1.1 2OO OK\r\nX-Leak: 1\r\n\r\nleak',
      'RFC 9112 4: the final response is invalid',
    ],
    [
      'interim-then-101-unasked',
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: leak\r\n\r\n',
      'RFC 9110 15.2.2',
    ],
  ]),
  ...answers(badGateway(), (interim) => interim + LEAK, [
    ['interim-invalid-field', 'HTTP/1.1 103 Early Hints\r\nX-A : b\r\n\r\n', 'RFC 9112 5.1'],
    ['interim-bare-lf', 'HTTP/1.1 103 Early Hints\n\n', 'RFC 9112 2.2'],
  ]),
  ...answers(
    {
      ...badGateway(),
      responses: [
        { from: 'proxy', status: [502], interim: Array<number>(LIMITS.interimResponses).fill(103) },
      ],
    },
    (interim) => interim + LEAK,
    [
      [
        'interim-over-limit',
        HINTS.repeat(LIMITS.interimResponses + 1),
        'RFC 9110 15.2 sets no bound; an origin that never comes to the point needs one',
      ],
    ],
  ),
];
