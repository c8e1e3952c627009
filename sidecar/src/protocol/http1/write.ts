/**
 * Writes heads and bodies of HTTP/1.1 into the output.
 *
 * Invariants: only scanned or checked bytes are written; a body is framed exactly as its head says.
 */
import { copyBytes, type Output } from '../../transport/output.ts';
import type { Transport } from '../../transport/transport.ts';
import { BODY_CHUNKED, type BodyKind, type Head, type RequestHead } from '../head.ts';
import { CR, LF } from './bytes.ts';

const HEX_DIGITS = Buffer.from('0123456789abcdef');
/** `ffffffff\r\n` */
const CHUNK_SIZE_BYTES = 10;
const CRLF = Buffer.from('\r\n');
const LAST_CHUNK = Buffer.from('0\r\n');

/** Start line, field lines that were not dropped, empty line. */
export function writeHead(output: Output, transport: Transport, head: Head): void {
  if (head.drops === 0) {
    output.append(transport, head.bytes, head.start, head.length);
  } else {
    writeRuns(output, transport, head, head.start);
  }
  writeCrlf(output, transport);
}

/** As `writeHead`, with `target` in place of the one that came. */
export function writeHeadTo(
  target: Uint8Array,
  output: Output,
  transport: Transport,
  head: RequestHead,
): void {
  output.append(transport, head.bytes, head.start, head.pathStart);
  output.append(transport, target, 0, target.length);
  output.append(transport, head.bytes, head.pathEnd, head.fieldsStart);
  writeRuns(output, transport, head, head.fieldsStart);
  writeCrlf(output, transport);
}

/** Body bytes in the framing of `kind`. */
export function writeBody(
  output: Output,
  transport: Transport,
  kind: BodyKind,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  if (kind !== BODY_CHUNKED) {
    output.append(transport, bytes, start, end);
    return;
  }
  if (start === end) return;
  writeChunkSize(output, transport, end - start);
  output.append(transport, bytes, start, end);
  writeCrlf(output, transport);
}

export function writeLastChunk(output: Output, transport: Transport, trailers: Head | null): void {
  output.append(transport, LAST_CHUNK, 0, LAST_CHUNK.length);
  if (trailers !== null) writeRuns(output, transport, trailers, 0);
  writeCrlf(output, transport);
}

/** Copies runs of lines between dropped ones. */
function writeRuns(output: Output, transport: Transport, head: Head, start: number): void {
  let runStart = start;
  for (let row = 0; row < head.rows; row++) {
    if (head.dropped[row] === 0) continue;
    const lineStart = head.lineStart(row);
    if (lineStart > runStart) output.append(transport, head.bytes, runStart, lineStart);
    runStart = head.lineStart(row + 1);
  }
  if (head.length > runStart) output.append(transport, head.bytes, runStart, head.length);
}

function writeChunkSize(output: Output, transport: Transport, size: number): void {
  output.open(transport, CHUNK_SIZE_BYTES);
  let digits = 1;
  while (digits < 8 && size >>> (digits * 4) !== 0) digits++;
  for (let shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
    output.bytes[output.at++] = HEX_DIGITS[(size >>> shift) & 15] as number;
  }
  copyBytes(CRLF, 0, 2, output.bytes, output.at);
  output.at += 2;
}

function writeCrlf(output: Output, transport: Transport): void {
  output.open(transport, 2);
  output.bytes[output.at++] = CR;
  output.bytes[output.at++] = LF;
}
