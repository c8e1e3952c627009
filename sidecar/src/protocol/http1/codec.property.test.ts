/**
 * Properties of the codec that no table of examples can show: any split of a message into reads leads to the same result.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BODY_CHUNKED, type Head, RequestHead, ResponseHead } from '../head.ts';
import { BODY_MALFORMED, BodyReader } from './body.ts';
import { scanRequestHead } from './request-head.ts';
import { scanResponseHead } from './response-head.ts';
import { INCOMPLETE } from './scan.ts';

const name = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}$/);
const value = fc.stringMatching(/^([!-~\u00a1-\u00ff]([ \t!-~\u00a1-\u00ff]{0,30}[!-~\u00a1-\u00ff])?)?$/);
const special =
  /^(host|connection|content-length|transfer-encoding|upgrade|expect|te|keep-alive|proxy-.*|http2-settings)$/i;
const fields = fc.array(
  fc.tuple(
    name.filter((text) => !special.test(text)),
    value,
  ),
  { maxLength: 12 },
);
const places = fc.array(fc.nat(4_000), { maxLength: 8 });

it('reads a request head in any pieces as it does in one', () => {
  const target = fc.stringMatching(/^\/[A-Za-z0-9._~%?&=:@!$'()*+,;-]{0,40}$/);
  fc.assert(
    fc.property(
      fc.constantFrom('GET', 'POST', 'PATCH', 'X-OWN'),
      target,
      fields,
      places,
      (method, path, lines, cuts) => {
        const text = `${method} ${path} HTTP/1.1\r\nHost: a.test\r\n${lines.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`;
        const head = readPieces(text, cuts, new RequestHead(), scanRequestHead);
        expect([head.method, head.path, head.authority]).toEqual([method, path, 'a.test']);
        expect(linesOf(head).slice(1)).toEqual(lines);
      },
    ),
  );
});

it('reads a response head in any pieces as it does in one', () => {
  fc.assert(
    fc.property(fc.integer({ min: 200, max: 599 }), fields, places, (status, lines, cuts) => {
      const text = `HTTP/1.1 ${status} Reason\r\n${lines.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`;
      const asked = new RequestHead();
      const head = readPieces(text, cuts, new ResponseHead(), (into, bytes, base, end) =>
        scanResponseHead(into, asked, bytes, base, end),
      );
      expect(head.status).toBe(status);
      expect(linesOf(head)).toEqual(lines);
    }),
  );
});

it('gives the same verdict on a damaged head, however it is split', () => {
  const damage = fc.tuple(fc.nat(80), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(damage, places, ([at, byte], cuts) => {
      const bytes = Buffer.from(
        'POST /a?b HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nX-A: b\r\nX-B: c\r\n\r\n',
      );
      bytes[at % bytes.length] = byte;
      const text = bytes.toString('latin1');
      expect(verdictOf(text, cuts)).toBe(verdictOf(text, []));
    }),
    { numRuns: 2_000 },
  );
});

it('takes the same data out of a chunked body, however it is split', () => {
  const extension = fc.constantFrom('', ';a', ';a=b', ' ; a = "b\\"c"');
  const chunks = fc.array(
    fc.tuple(fc.string({ minLength: 1, maxLength: 40, unit: 'binary-ascii' }), extension),
    {
      maxLength: 6,
    },
  );
  fc.assert(
    fc.property(chunks, fields, places, (list, trailers, cuts) => {
      const body = list.map(([data, ext]) => `${data.length.toString(16)}${ext}\r\n${data}\r\n`).join('');
      const text = `${body}0\r\n${trailers.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`;
      const result = readBody(text, cuts);
      expect(result.data).toBe(list.map(([data]) => data).join(''));
      expect(result.ends).toBe(1);
      expect(result.malformed).toBe(false);
      expect(result.trailers.length).toBe(trailers.length);
    }),
  );
});

it('gives the same verdict on a damaged chunked body, however it is split', () => {
  fc.assert(
    fc.property(fc.nat(40), fc.integer({ min: 0, max: 255 }), places, (at, byte, cuts) => {
      const bytes = Buffer.from(
        '5;a="b"\r\nhello\r\n1F\r\n0123456789012345678901234567890\r\n0\r\nX-T: 1\r\n\r\n',
      );
      bytes[at % bytes.length] = byte;
      const text = bytes.toString('latin1');
      const whole = readBody(text, []);
      const split = readBody(text, cuts);
      expect([split.malformed, split.ends]).toEqual([whole.malformed, whole.ends]);
      if (!whole.malformed) expect(split.data).toBe(whole.data);
    }),
    { numRuns: 2_000 },
  );
});

type Scan<H extends Head> = (head: H, bytes: Uint8Array, base: number, end: number) => number;

/** As a connection reads: a first piece that is incomplete is kept, and the scan goes on in the head's own bytes. */
function readPieces<H extends Head>(text: string, cuts: readonly number[], head: H, scan: Scan<H>): H {
  const result = scanPieces(text, cuts, head, scan);
  expect(result).toBe(text.length);
  return head;
}

function scanPieces<H extends Head>(text: string, cuts: readonly number[], head: H, scan: Scan<H>): number {
  for (const piece of cut(text, cuts)) {
    let result: number;
    if (head.collected === 0) {
      // At an offset, as behind another message in the same read.
      const bytes = Buffer.concat([Buffer.from('###'), piece]);
      result = scan(head, bytes, 3, bytes.length);
      if (result === INCOMPLETE) head.collect(bytes, 3, bytes.length);
    } else {
      head.collect(piece, 0, piece.length);
      result = scan(head, head.bytes, 0, head.collected);
    }
    if (result !== INCOMPLETE) return result;
  }
  return INCOMPLETE;
}

function verdictOf(text: string, cuts: readonly number[]): number {
  return scanPieces(text, cuts, new RequestHead(), scanRequestHead);
}

function readBody(text: string, cuts: readonly number[]) {
  const reader = new BodyReader();
  const result = { data: '', ends: 0, malformed: false, trailers: [] as [string, string][] };
  const head = new ResponseHead();
  head.bodyKind = BODY_CHUNKED;
  reader.begin(head);
  const sink = {
    onBodyData(bytes: Buffer, start: number, end: number): void {
      result.data += bytes.toString('latin1', start, end);
    },
    onBodyEnd(trailers: Head | null): void {
      result.ends++;
      if (trailers !== null) result.trailers = linesOf(trailers);
    },
  };
  for (const piece of cut(text, cuts)) {
    if (reader.read(sink, piece, 0, piece.length) === BODY_MALFORMED) {
      result.malformed = true;
      break;
    }
    if (reader.done) break;
  }
  return result;
}

function linesOf(head: Head): [string, string][] {
  return Array.from({ length: head.rows }, (_, row) => [
    head.bytes.toString('latin1', head.lineStart(row), head.nameEnd(row)),
    head.bytes.toString('latin1', head.valueStart(row), head.valueEnd(row)),
  ]);
}

function cut(text: string, places: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  const ends = [...places.map((place) => place % bytes.length).sort((a, b) => a - b), bytes.length];
  return ends
    .map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end))
    .filter(({ length }) => length > 0);
}
