// `npm run bench:codec`: the HTTP/1.1 codec alone, without sockets, in nanoseconds a message. For comparing two commits on one machine.
import { LIMITS } from '../../sidecar/src/core/limits.ts';
import { BODY_CHUNKED, type Head, RequestHead, ResponseHead } from '../../sidecar/src/protocol/head.ts';
import { BodyReader } from '../../sidecar/src/protocol/http1/body.ts';
import { scanRequestHead } from '../../sidecar/src/protocol/http1/request-head.ts';
import { scanResponseHead } from '../../sidecar/src/protocol/http1/response-head.ts';

const ROUNDS = 7;
const ROUND_MS = 250;

const REQUEST = Buffer.from(
  [
    'GET /v1/workflows/order-placed/runs?limit=20 HTTP/1.1',
    'Host: gateway.demo.svc:8080',
    'User-Agent: bench/1.0 (x86_64-pc-linux-gnu)',
    'Accept: application/json, text/plain;q=0.9, */*;q=0.5',
    'Accept-Encoding: gzip, br',
    'Authorization: Bearer 0123456789abcdef0123456789abcdef',
    'X-Request-ID: 0b7c1a52-5f3c-4c8e-9b3b-2f1d8f6f7a10',
    'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    'Cookie: session=0123456789abcdef; theme=dark',
    '\r\n',
  ].join('\r\n'),
);
const RESPONSE = Buffer.from(
  [
    'HTTP/1.1 200 OK',
    'Date: Tue, 24 Nov 2026 10:00:00 GMT',
    'Content-Type: application/json; charset=utf-8',
    'Content-Length: 1024',
    'Cache-Control: no-store',
    'ETag: W/"400-abcdef"',
    '\r\n',
  ].join('\r\n'),
);
const CHUNKED = Buffer.from(`${`400\r\n${'x'.repeat(1_024)}\r\n`.repeat(32)}0\r\n\r\n`);

const asked = new RequestHead();
const requestHead = new RequestHead();
const responseHead = new ResponseHead();
const reader = new BodyReader();
let seen = 0;
const sink = {
  onBodyData(_bytes: Buffer, start: number, end: number): void {
    seen += end - start;
  },
  onBodyEnd(_trailers: Head | null): void {
    seen++;
  },
};
const chunkedHead = new ResponseHead();
chunkedHead.bodyKind = BODY_CHUNKED;

report(`request head, 8 fields, ${REQUEST.length} bytes`, () => {
  requestHead.reset();
  return scanRequestHead(requestHead, REQUEST, 0, REQUEST.length) === REQUEST.length;
});
report(`response head, 5 fields, ${RESPONSE.length} bytes`, () => {
  responseHead.reset();
  return scanResponseHead(responseHead, asked, RESPONSE, 0, RESPONSE.length) === RESPONSE.length;
});
report(`chunked body, 32 chunks of 1 KB`, () => {
  reader.begin(chunkedHead);
  return reader.read(sink, CHUNKED, 0, CHUNKED.length) === CHUNKED.length;
});
if (seen === 0 || REQUEST.length > LIMITS.headBytes) throw new Error('the benchmark measured nothing');

function report(name: string, run: () => boolean): void {
  const rounds = Array.from({ length: ROUNDS }, () => measure(name, run)).sort((a, b) => a - b);
  const median = rounds[ROUNDS >> 1] as number;
  const spread = `${Math.round(rounds[0] as number)} to ${Math.round(rounds[ROUNDS - 1] as number)}`;
  process.stdout.write(`${name.padEnd(40)} ${Math.round(median).toString().padStart(7)} ns  (${spread})\n`);
}

/** Nanoseconds a run. */
function measure(name: string, run: () => boolean): number {
  const startMs = performance.now();
  let count = 0;
  for (;;) {
    for (let i = 0; i < 1_000; i++) if (!run()) throw new Error(`${name}: not read to its end`);
    count += 1_000;
    const elapsedMs = performance.now() - startMs;
    if (elapsedMs >= ROUND_MS) return (elapsedMs * 1e6) / count;
  }
}
