/**
 * Frames of HTTP/2 (RFC 9113 sections 4, 6 and 7): the numbers, and how frames are written.
 */
import type { Batch } from '../../transport/batch.ts';

export const FRAME_DATA = 0x0;
export const FRAME_HEADERS = 0x1;
export const FRAME_PRIORITY = 0x2;
export const FRAME_RST_STREAM = 0x3;
export const FRAME_SETTINGS = 0x4;
export const FRAME_PUSH_PROMISE = 0x5;
export const FRAME_PING = 0x6;
export const FRAME_GOAWAY = 0x7;
export const FRAME_WINDOW_UPDATE = 0x8;
export const FRAME_CONTINUATION = 0x9;

export const FLAG_END_STREAM = 0x1;
export const FLAG_ACK = 0x1;
export const FLAG_END_HEADERS = 0x4;
export const FLAG_PADDED = 0x8;
export const FLAG_PRIORITY = 0x20;

export const NO_ERROR = 0x0;
export const PROTOCOL_ERROR = 0x1;
export const INTERNAL_ERROR = 0x2;
export const FLOW_CONTROL_ERROR = 0x3;
export const SETTINGS_TIMEOUT = 0x4;
export const STREAM_CLOSED = 0x5;
export const FRAME_SIZE_ERROR = 0x6;
export const REFUSED_STREAM = 0x7;
export const CANCEL = 0x8;
export const COMPRESSION_ERROR = 0x9;
export const ENHANCE_YOUR_CALM = 0xb;

const ERROR_NAMES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
];

/** For people; codes that no RFC defines are shown as numbers. */
export function errorName(code: number): string {
  return ERROR_NAMES[code] ?? `error ${code}`;
}

export const SETTINGS_HEADER_TABLE_SIZE = 0x1;
export const SETTINGS_ENABLE_PUSH = 0x2;
export const SETTINGS_MAX_CONCURRENT_STREAMS = 0x3;
export const SETTINGS_INITIAL_WINDOW_SIZE = 0x4;
export const SETTINGS_MAX_FRAME_SIZE = 0x5;
export const SETTINGS_MAX_HEADER_LIST_SIZE = 0x6;
/** RFC 8441. */
export const SETTINGS_ENABLE_CONNECT_PROTOCOL = 0x8;

export const FRAME_HEADER_BYTES = 9;
/** Until a peer's settings say otherwise, and the least that they may say. */
export const DEFAULT_FRAME_BYTES = 16_384;
export const MAX_FRAME_BYTES = 16_777_215;
export const DEFAULT_WINDOW = 65_535;
export const MAX_WINDOW = 0x7fff_ffff;
export const MAX_STREAM_ID = 0x7fff_ffff;
export const PING_BYTES = 8;

/** What a client says first. */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Writes a frame header at `at`; the payload follows. */
export function writeFrameHeader(
  bytes: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  writeUint32(bytes, at + 5, streamId);
}

export function writeUint32(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Unsigned. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) * 0x100_0000 +
    (((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number))
  );
}

/** Without the reserved bit. */
export function readUint31(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at) & 0x7fff_ffff;
}

/** A frame whose payload is one 32-bit number: RST_STREAM or WINDOW_UPDATE. */
export function appendNumberFrame(batch: Batch, type: number, streamId: number, value: number): void {
  batch.reserve(FRAME_HEADER_BYTES + 4);
  writeFrameHeader(batch.bytes, batch.at, 4, type, 0, streamId);
  writeUint32(batch.bytes, batch.at + FRAME_HEADER_BYTES, value);
  batch.at += FRAME_HEADER_BYTES + 4;
}

/** `settings` are pairs of identifier and value. */
export function appendSettings(batch: Batch, settings: readonly (readonly [number, number])[]): void {
  const length = settings.length * 6;
  batch.reserve(FRAME_HEADER_BYTES + length);
  writeFrameHeader(batch.bytes, batch.at, length, FRAME_SETTINGS, 0, 0);
  batch.at += FRAME_HEADER_BYTES;
  for (const [identifier, value] of settings) {
    batch.bytes[batch.at] = identifier >>> 8;
    batch.bytes[batch.at + 1] = identifier;
    writeUint32(batch.bytes, batch.at + 2, value);
    batch.at += 6;
  }
}

export function appendSettingsAck(batch: Batch): void {
  batch.reserve(FRAME_HEADER_BYTES);
  writeFrameHeader(batch.bytes, batch.at, 0, FRAME_SETTINGS, FLAG_ACK, 0);
  batch.at += FRAME_HEADER_BYTES;
}

/** `payload[start, start + 8)` is opaque. */
export function appendPing(batch: Batch, flags: number, payload: Uint8Array, start: number): void {
  batch.reserve(FRAME_HEADER_BYTES + PING_BYTES);
  writeFrameHeader(batch.bytes, batch.at, PING_BYTES, FRAME_PING, flags, 0);
  batch.at += FRAME_HEADER_BYTES;
  batch.append(payload, start, start + PING_BYTES);
}

/** `reason` is debug data, for people at the other end. */
export function appendGoaway(batch: Batch, lastStreamId: number, code: number, reason: string): void {
  const text = Buffer.from(reason, 'latin1');
  const length = 8 + text.length;
  batch.reserve(FRAME_HEADER_BYTES + length);
  writeFrameHeader(batch.bytes, batch.at, length, FRAME_GOAWAY, 0, 0);
  writeUint32(batch.bytes, batch.at + FRAME_HEADER_BYTES, lastStreamId);
  writeUint32(batch.bytes, batch.at + FRAME_HEADER_BYTES + 4, code);
  batch.at += FRAME_HEADER_BYTES + 8;
  batch.append(text, 0, text.length);
}
