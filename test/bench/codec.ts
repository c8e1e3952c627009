// `npm run bench:codec`: the codecs alone, without sockets, in nanoseconds a message. For comparing two commits on one machine.
import { LIMITS } from '../../sidecar/src/core/limits.ts';
import { fieldId } from '../../sidecar/src/protocol/field-names.ts';
import { BODY_CHUNKED, type Head, RequestHead, ResponseHead } from '../../sidecar/src/protocol/head.ts';
import { BodyReader } from '../../sidecar/src/protocol/http1/body.ts';
import { scanRequestHead } from '../../sidecar/src/protocol/http1/request-head.ts';
import { scanResponseHead } from '../../sidecar/src/protocol/http1/response-head.ts';
import { copyField } from '../../sidecar/src/protocol/http2/field-copy.ts';
import { type FieldSink, HPACK_OK, HpackDecoder } from '../../sidecar/src/protocol/http2/hpack/decoder.ts';
import { HpackEncoder } from '../../sidecar/src/protocol/http2/hpack/encoder.ts';
import { report } from './stopwatch.ts';

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
/** Ten fields as HTTP/2 has them; the path, the id and the trace differ in every request. */
const HOP_REQUEST = Buffer.from(
  [
    'GET /v1/workflows/00000000/runs HTTP/1.1',
    'host: gateway.demo.svc:8080',
    'user-agent: bench/1.0 (x86_64-pc-linux-gnu)',
    'accept: application/json, text/plain;q=0.9, */*;q=0.5',
    'accept-encoding: gzip, br',
    'x-request-id: 00000000-5f3c-4c8e-9b3b-2f1d8f6f7a10',
    'traceparent: 00-4bf92f3577b34da6a3ce929d00000000-00f067aa0ba902b7-01',
    'x-forwarded-for: 10.1.2.3',
    '\r\n',
  ].join('\r\n'),
);
const COUNTER = '00000000';
const COUNTER_PLACES = [
  HOP_REQUEST.indexOf(COUNTER),
  HOP_REQUEST.indexOf(COUNTER, HOP_REQUEST.indexOf('x-request-id')),
  HOP_REQUEST.indexOf(COUNTER, HOP_REQUEST.indexOf('929d')),
];
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

const hop = new RequestHead();
if (scanRequestHead(hop, HOP_REQUEST, 0, HOP_REQUEST.length) !== HOP_REQUEST.length)
  throw new Error('the request of the HPACK benchmark is malformed');
hop.adopt(HOP_REQUEST, 0, HOP_REQUEST.length);
const HOST_ROW = hop.firstRow[fieldId('host')] as number;
const encoder = new HpackEncoder();
const decoder = new HpackDecoder();
const block = Buffer.alloc(1_024);
const decodedHead = new RequestHead();
const fieldSink: FieldSink = {
  onField(line, start, end, nameLength, id) {
    copyField(decodedHead, line, start, end, nameLength, id, false);
  },
};
let count = 0;
let blockLength = encodeHop();
report('HPACK encode, 10 fields, 3 of them new', () => {
  blockLength = encodeHop();
  return blockLength > 0;
});
// The first blocks fill the table; what follows them is the steady state, which inserts nothing.
const fresh = new HpackEncoder();
for (let i = 0; i < 3; i++) {
  blockLength = encodeHop(fresh);
  decode();
}
report(`HPACK decode, 10 fields, ${blockLength} bytes`, decode);

if (seen === 0 || REQUEST.length > LIMITS.headBytes) throw new Error('the benchmark measured nothing');

function encodeHop(by: HpackEncoder = encoder): number {
  const { bytes } = hop;
  count++;
  for (const place of COUNTER_PLACES)
    for (let i = 7, rest = count; rest > 0; i--, rest >>>= 4) bytes[place + i] = 0x61 + (rest & 0xf);
  let at = by.begin(block, 0);
  at = by.method(bytes, hop.start, hop.methodEnd, block, at);
  at = by.scheme(true, block, at);
  at = by.authority(bytes, hop.authorityStart, hop.authorityEnd, block, at);
  at = by.path(bytes, hop.pathStart, hop.pathEnd, block, at);
  for (let row = 0; row < hop.rows; row++) {
    if (row === HOST_ROW) continue;
    const id = hop.ids[row] as number;
    at = by.field(
      bytes,
      hop.lineStart(row),
      hop.nameEnd(row),
      hop.valueStart(row),
      hop.valueEnd(row),
      id,
      block,
      at,
    );
  }
  return at;
}

function decode(): boolean {
  decodedHead.reset();
  return decoder.decode(block, 0, blockLength, fieldSink) === HPACK_OK;
}
