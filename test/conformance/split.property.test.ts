// Any split of a valid sequence of messages into packets gives the same bytes at the origin and at the client. The sequences are made up
// here, from the grammar, so that they meet what no table of cases thought of; the sockets are real.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Case, forward } from './case.ts';
import { type Lanes, openLanes } from './lanes.ts';
import { type Lane, runCase } from './run-case.ts';
import { cutAt, type SplitPlan, WHOLE } from './split.ts';

const RUNS = 400;

let lanes: Lanes;

beforeAll(async () => {
  lanes = await openLanes(2);
});

afterAll(() => lanes.close());

const text = (first: string, rest: string, maxLength: number) =>
  fc.stringMatching(new RegExp(`^[${first}][${rest}]{0,${maxLength - 1}}$`));
const octets = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
// The prefix keeps made-up names apart from those that mean something.
const fields = fc
  .array(
    fc.tuple(
      text('A-Za-z0-9', "A-Za-z0-9!#$%&'*+.^_`|~-", 12).map((name) => `X-P-${name}`),
      fc.oneof(fc.constant(''), text('!-~\\x80-\\xff', '!-~\\x80-\\xff', 30), fc.constant('a  b\tc, "d"')),
      fc.constantFrom('', ' ', '\t ', '   '),
    ),
    { maxLength: 6 },
  )
  .map((lines) => lines.map(([name, value, padding]) => `${name}:${padding}${value}${padding}\r\n`).join(''));

/** Field lines and body: without one, of a declared length, or in chunks of any sizes with extensions and trailers. */
const chunkedBody = fc
  .tuple(
    fc.array(fc.tuple(octets, fc.constantFrom('', ';a', ';a="b;\\"c"', ' ; a = b')), { maxLength: 5 }),
    fields,
    fc.integer({ min: 0, max: 3 }),
  )
  .map(([chunks, trailers, zeros]) => {
    const data = chunks
      .filter(([bytes]) => bytes !== '')
      .map(
        ([bytes, extension]) =>
          `${'0'.repeat(zeros)}${bytes.length.toString(16)}${extension}\r\n${bytes}\r\n`,
      );
    return ['Transfer-Encoding: chunked\r\n', `${data.join('')}0\r\n${trailers}\r\n`] as const;
  });
const lengthBody = octets.map((bytes) => [`Content-Length: ${bytes.length}\r\n`, bytes] as const);
const noBody = fc.constant(['', ''] as const);

const request = fc
  .tuple(
    fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'REPORT'),
    text('/', 'A-Za-z0-9._~%?&=:@!$()*+,;/-', 40),
    fields,
    fc.oneof(noBody, lengthBody, chunkedBody),
  )
  .map(
    ([method, target, lines, [framing, body]]) =>
      `${method} ${target} HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nConnection: TE\r\n${lines}${framing}\r\n${body}`,
  );
const answer = fc
  .tuple(
    fc.array(fc.constantFrom('100 Continue', '103 Early Hints'), { maxLength: 2 }),
    fc.constantFrom('200 OK', '201 ', '404 Not Found', '500 \xe2\x9c\x93'),
    fields,
    fc.oneof(lengthBody, chunkedBody),
  )
  .map(
    ([interim, status, lines, [framing, body]]) =>
      `${interim.map((head) => `HTTP/1.1 ${head}\r\n\r\n`).join('')}HTTP/1.1 ${status}\r\n${lines}${framing}\r\n${body}`,
  );
const sequence = fc.array(fc.tuple(request, answer), { minLength: 1, maxLength: 4 });
const places = fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
  minLength: 1,
  maxLength: 12,
});

it(`forwards ${RUNS} sequences in any pieces as it does in one`, async () => {
  await fc.assert(
    fc.asyncProperty(sequence, places, async (exchanges, cuts) => {
      const testCase: Case = {
        id: 'generated',
        why: 'RFC 9112 2.2: a message is a sequence of octets, not of packets',
        send: exchanges.map(([sent]) => sent).join(''),
        answers: exchanges.map(([, answered]) => answered),
        expect: forward(...exchanges.map(() => ({}))),
      };
      const [whole, split] = await Promise.all([
        runCase(lanes.lanes[0] as Lane, testCase, WHOLE),
        runCase(lanes.lanes[1] as Lane, testCase, planFor(cuts)),
      ]);
      expect(whole.differences).toEqual([]);
      expect(whole.seen).toHaveLength(2 * exchanges.length);
      expect(split.differences).toEqual([]);
      expect(split.seen).toEqual(whole.seen);
    }),
    { numRuns: RUNS },
  );
});

/** Places are shares of the length, since the same plan cuts requests and answers. */
function planFor(cuts: number[]): SplitPlan {
  return {
    name: 'generated',
    cut: (bytes) =>
      cutAt(
        bytes,
        cuts.map((share) => Math.floor(share * bytes.length)),
      ),
  };
}
