/**
 * Writes heads and trailers as header blocks into a connection's batch.
 *
 * Invariants: no field that belongs to a connection of HTTP/1.1 is written; an upgrade to WebSocket becomes an extended CONNECT
 * (RFC 8441 section 5). A block longer than the peer's frames is cut into CONTINUATION frames, which stay together.
 */
import { fieldId } from '../field-names.ts';
import type { Head, RequestHead, ResponseHead } from '../head.ts';
import type { Http2Connection } from './connection.ts';
import {
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FRAME_CONTINUATION,
  FRAME_HEADER_BYTES,
  FRAME_HEADERS,
  writeFrameHeader,
} from './frame.ts';
import { HpackEncoder } from './hpack/encoder.ts';
import type { Http2Stream } from './stream.ts';

const HOST = fieldId('host');
const CONNECTION = fieldId('connection');
const TRANSFER_ENCODING = fieldId('transfer-encoding');
const UPGRADE = fieldId('upgrade');
const SEC_WEBSOCKET_KEY = fieldId('sec-websocket-key');
const SEC_WEBSOCKET_ACCEPT = fieldId('sec-websocket-accept');

/** By field id: fields that are no part of a message of HTTP/2. */
const LEFT_OUT = new Uint8Array(256);
for (const id of [HOST, CONNECTION, TRANSFER_ENCODING, UPGRADE]) LEFT_OUT[id] = 1;

const METHOD_CONNECT = Buffer.from('CONNECT');
/** The five pseudo-headers, their names counted. */
const PSEUDO_BYTES = 256;

/** `authority` stands in for a Host that the request lacks. */
export function encodeRequest(
  connection: Http2Connection,
  stream: Http2Stream,
  head: RequestHead,
  tunnels: boolean,
  authority: string,
  secure: boolean,
): void {
  const { batch, encoder } = connection;
  const frameAt = reserveBlock(connection, stream, head, authority.length + (head.target?.length ?? 0));
  const { bytes: target } = batch;
  const { bytes } = head;
  let at = encoder.begin(target, frameAt + FRAME_HEADER_BYTES);
  if (tunnels) {
    at = encoder.method(METHOD_CONNECT, 0, METHOD_CONNECT.length, target, at);
    const row = head.firstRow[UPGRADE] as number;
    at = encoder.protocol(bytes, head.valueStart(row), head.valueEnd(row), target, at);
  } else {
    at = encoder.method(bytes, head.start, head.methodEnd, target, at);
  }
  at = encoder.scheme(secure, target, at);
  if (head.authorityEnd > head.authorityStart) {
    at = encoder.authority(bytes, head.authorityStart, head.authorityEnd, target, at);
  } else {
    const text = Buffer.from(authority, 'latin1');
    at = encoder.authority(text, 0, text.length, target, at);
  }
  const path = head.target;
  at =
    path === null
      ? encoder.path(bytes, head.pathStart, head.pathEnd, target, at)
      : encoder.path(path, 0, path.length, target, at);
  at = encodeFields(encoder, head, tunnels ? SEC_WEBSOCKET_KEY : 0, target, at);
  finishBlock(connection, stream, frameAt, at, 0);
}

export function encodeResponse(connection: Http2Connection, stream: Http2Stream, head: ResponseHead): void {
  const { batch, encoder } = connection;
  const frameAt = reserveBlock(connection, stream, head, 0);
  const { bytes: target } = batch;
  const { switchesProtocol } = head;
  let at = encoder.begin(target, frameAt + FRAME_HEADER_BYTES);
  at = encoder.status(switchesProtocol ? 200 : head.status, target, at);
  at = encodeFields(encoder, head, switchesProtocol ? SEC_WEBSOCKET_ACCEPT : 0, target, at);
  finishBlock(connection, stream, frameAt, at, 0);
}

export function encodeTrailers(connection: Http2Connection, stream: Http2Stream, trailers: Head): void {
  const { batch, encoder } = connection;
  const frameAt = reserveBlock(connection, stream, trailers, 0);
  const { bytes: target } = batch;
  const start = encoder.begin(target, frameAt + FRAME_HEADER_BYTES);
  const at = encodeFields(encoder, trailers, 0, target, start);
  finishBlock(connection, stream, frameAt, at, FLAG_END_STREAM);
}

/** Makes room for the worst case; returns where the frame begins. */
function reserveBlock(
  { batch, peer }: Http2Connection,
  stream: Http2Stream,
  head: Head,
  extraBytes: number,
): number {
  const block =
    HpackEncoder.BEGIN_BYTES +
    PSEUDO_BYTES +
    extraBytes +
    head.length +
    head.rows * HpackEncoder.worstCase(0, 0);
  const frames = Math.ceil(block / peer.frameBytes);
  batch.reserve(block + frames * FRAME_HEADER_BYTES);
  stream.noteFrame(batch.at);
  return batch.at;
}

function encodeFields(
  encoder: HpackEncoder,
  head: Head,
  leftOutId: number,
  target: Buffer,
  start: number,
): number {
  let at = start;
  const { bytes, ids, dropped } = head;
  for (let row = 0; row < head.rows; row++) {
    const id = ids[row] as number;
    if (dropped[row] === 1 || LEFT_OUT[id] === 1 || (id === leftOutId && leftOutId !== 0)) continue;
    at = encoder.field(
      bytes,
      head.lineStart(row),
      head.nameEnd(row),
      head.valueStart(row),
      head.valueEnd(row),
      id,
      target,
      at,
      head.isSecret(row),
    );
  }
  return at;
}

function finishBlock(
  { batch, peer }: Http2Connection,
  { id }: Http2Stream,
  frameAt: number,
  end: number,
  flags: number,
): void {
  const { bytes } = batch;
  const blockAt = frameAt + FRAME_HEADER_BYTES;
  const length = end - blockAt;
  if (length <= peer.frameBytes) {
    writeFrameHeader(bytes, frameAt, length, FRAME_HEADERS, flags | FLAG_END_HEADERS, id);
    batch.at = end;
    return;
  }
  const parts = Math.ceil(length / peer.frameBytes);
  // From the last part to the second, so that nothing is overwritten before it was moved.
  for (let part = parts - 1; part > 0; part--) {
    const from = blockAt + part * peer.frameBytes;
    const count = Math.min(peer.frameBytes, end - from);
    const to = from + part * FRAME_HEADER_BYTES;
    bytes.copyWithin(to, from, from + count);
    const endsBlock = part === parts - 1 ? FLAG_END_HEADERS : 0;
    writeFrameHeader(bytes, to - FRAME_HEADER_BYTES, count, FRAME_CONTINUATION, endsBlock, id);
  }
  writeFrameHeader(bytes, frameAt, peer.frameBytes, FRAME_HEADERS, flags, id);
  batch.at = end + (parts - 1) * FRAME_HEADER_BYTES;
}
