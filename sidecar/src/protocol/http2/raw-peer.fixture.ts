// One end of a connection of HTTP/2 that a test plays frame by frame, right or wrong: frames are written by hand, and what comes is kept
// as frames, header blocks decoded.
import net from 'node:net';
import {
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FRAME_CONTINUATION,
  FRAME_DATA,
  FRAME_GOAWAY,
  FRAME_HEADER_BYTES,
  FRAME_HEADERS,
  FRAME_PING,
  FRAME_RST_STREAM,
  FRAME_SETTINGS,
  FRAME_WINDOW_UPDATE,
  PREFACE,
  readUint31,
  readUint32,
} from './frame.ts';
import { decodeBlock, literal } from './hpack/decoded.fixture.ts';
import { HpackDecoder } from './hpack/decoder.ts';

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
  /** Of a whole header block, whose CONTINUATION frames are no frames of their own here. */
  readonly fields: Field[];
}

export type Field = [name: string, value: string];

/** How long a test waits in vain. */
const WAIT_LIMIT_MS = 3_000;
/** As many of the last are told of when it did. */
const DESCRIBED_FRAMES = 12;

export class RawPeer {
  readonly socket: net.Socket;
  readonly frames: Frame[] = [];
  /** The other end will send nothing more. */
  ended = false;
  /** Acknowledges settings and answers pings by itself; not while a test cuts its own frames into pieces. */
  answers = true;
  private readonly decoder = new HpackDecoder(4_096, 1_048_576);
  private bytes = Buffer.alloc(0);
  private block: { head: Frame; parts: Buffer[] } | null = null;
  private prefaceLeft: number;
  private readonly waiting = new Set<() => void>();

  constructor(socket: net.Socket, isClient: boolean) {
    this.socket = socket;
    this.prefaceLeft = isClient ? 0 : PREFACE.length;
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    socket.on('end', () => this.end());
    socket.on('close', () => this.end());
    socket.on('error', () => this.end());
  }

  /** A client whose preface and empty settings are sent; null sends nothing. */
  static async connect(port: number, opening: Buffer | null = OPENING): Promise<RawPeer> {
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true });
    const peer = new RawPeer(socket, true);
    peer.answers = opening !== null;
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    if (opening !== null) peer.send(opening);
    return peer;
  }

  send(...frames: Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames));
  }

  /** Waits for what `find` returns to be neither undefined, null nor false. */
  async until<T>(find: () => T, what = 'what it waits for'): Promise<NonNullable<T>> {
    const found = await new Promise<T>((resolve) => {
      const check = () => {
        const value = find();
        if (value === undefined || value === null || value === false) return;
        finish(value);
      };
      const timer = setTimeout(() => finish(null as T), WAIT_LIMIT_MS);
      const finish = (value: T) => {
        clearTimeout(timer);
        this.waiting.delete(check);
        resolve(value);
      };
      this.waiting.add(check);
      check();
    });
    if (found === null || found === undefined)
      throw new Error(`${what} did not come; what came: ${this.describe()}`);
    return found;
  }

  /** All that the other end has to say to what was sent so far is there. */
  async settle(): Promise<void> {
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(++pings, 4);
    this.send(frame(FRAME_PING, 0, 0, payload));
    await this.until(() => this.ended || this.frames.some((seen) => isAckOf(seen, payload)), 'PING ACK');
  }

  find(type: number, streamId = 0): Frame | undefined {
    return this.frames.find((seen) => seen.type === type && seen.streamId === streamId);
  }

  /** The heads and trailers of a stream, in order. */
  heads(streamId: number): Field[][] {
    return this.frames
      .filter((seen) => seen.type === FRAME_HEADERS && seen.streamId === streamId)
      .map(({ fields }) => fields);
  }

  /** Of the final head; 0 while there is none. */
  status(streamId: number): number {
    const statuses = this.heads(streamId).map((fields) => Number(fieldOf(fields, ':status') ?? 0));
    return statuses.find((status) => status >= 200) ?? 0;
  }

  body(streamId: number): Buffer {
    const frames = this.frames.filter((seen) => seen.type === FRAME_DATA && seen.streamId === streamId);
    return Buffer.concat(frames.map(dataOf));
  }

  isComplete(streamId: number): boolean {
    return this.frames.some(
      ({ type, streamId: id, flags }) =>
        id === streamId && (type === FRAME_DATA || type === FRAME_HEADERS) && (flags & FLAG_END_STREAM) !== 0,
    );
  }

  /** -1 while the stream was not reset. */
  resetCode(streamId: number): number {
    const reset = this.find(FRAME_RST_STREAM, streamId);
    return reset === undefined ? -1 : readUint32(reset.payload, 0);
  }

  /** Of the last GOAWAY; -1 while there is none. */
  get goawayCode(): number {
    const goaway = this.frames.findLast(({ type }) => type === FRAME_GOAWAY);
    return goaway === undefined ? -1 : readUint32(goaway.payload, 4);
  }

  async closed(): Promise<void> {
    await this.until(() => this.ended, 'the end of the connection');
  }

  destroy(): void {
    this.socket.destroy();
  }

  describe(): string {
    const lines = this.frames.slice(-DESCRIBED_FRAMES).map(({ type, flags, streamId, payload, fields }) => {
      const content = type === FRAME_HEADERS ? JSON.stringify(fields) : payload.toString('latin1', 0, 60);
      return `${FRAME_NAMES[type] ?? type} ${streamId} flags ${flags}: ${content}`;
    });
    return [...lines, this.ended ? 'the end' : 'still open'].join('\n');
  }

  private read(chunk: Buffer): void {
    const skipped = Math.min(this.prefaceLeft, chunk.length);
    this.prefaceLeft -= skipped;
    this.bytes = Buffer.concat([this.bytes, chunk.subarray(skipped)]);
    for (;;) {
      if (this.bytes.length < FRAME_HEADER_BYTES) break;
      const end = FRAME_HEADER_BYTES + this.bytes.readUIntBE(0, 3);
      if (this.bytes.length < end) break;
      this.take({
        type: this.bytes[3] as number,
        flags: this.bytes[4] as number,
        streamId: readUint31(this.bytes, 5),
        payload: this.bytes.subarray(FRAME_HEADER_BYTES, end),
        fields: [],
      });
      this.bytes = this.bytes.subarray(end);
    }
    this.notify();
  }

  private take(seen: Frame): void {
    const { type, flags } = seen;
    if (type === FRAME_HEADERS) this.block = { head: seen, parts: [] };
    if (this.block !== null) {
      const { head, parts } = this.block;
      if (type !== FRAME_HEADERS && (type !== FRAME_CONTINUATION || seen.streamId !== head.streamId))
        throw new Error('a header block was interrupted');
      parts.push(seen.payload);
      if ((flags & FLAG_END_HEADERS) === 0) return;
      this.block = null;
      const { fields, result } = decodeBlock(this.decoder, Buffer.concat(parts));
      if (result !== 0) throw new Error('a header block that can not be decoded');
      this.frames.push({ ...head, fields });
      return;
    }
    this.frames.push(seen);
    if (!this.answers || (flags & FLAG_ACK) !== 0) return;
    if (type === FRAME_SETTINGS) this.send(SETTINGS_ACK);
    else if (type === FRAME_PING) this.send(frame(FRAME_PING, FLAG_ACK, 0, seen.payload));
  }

  private end(): void {
    this.ended = true;
    this.notify();
  }

  private notify(): void {
    for (const check of [...this.waiting]) check();
  }
}

let pings = 0;

export function fieldOf(fields: readonly Field[], name: string): string | undefined {
  return fields.find(([other]) => other === name)?.[1];
}

export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array | string = '',
): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUIntBE(body.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, body]);
}

export function settings(...pairs: [identifier: number, value: number][]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  pairs.forEach(([identifier, value], i) => {
    payload.writeUInt16BE(identifier, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return frame(FRAME_SETTINGS, 0, 0, payload);
}

export const SETTINGS_ACK = frame(FRAME_SETTINGS, FLAG_ACK, 0);
export const OPENING = Buffer.concat([PREFACE, settings()]);

/** Literals that enter no table, so that a block means the same on every connection. */
export function block(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.map(([name, value]) => literal(name, value)));
}

export function headers(streamId: number, fields: readonly Field[], flags = 0): Buffer {
  return frame(FRAME_HEADERS, flags | FLAG_END_HEADERS, streamId, block(fields));
}

export function data(streamId: number, payload: Uint8Array | string, flags = 0): Buffer {
  return frame(FRAME_DATA, flags, streamId, payload);
}

export function padded(streamId: number, payload: string, padding: number, flags = 0): Buffer {
  const body = Buffer.concat([Buffer.from([padding]), Buffer.from(payload, 'latin1'), Buffer.alloc(padding)]);
  return frame(FRAME_DATA, flags | FLAG_PADDED, streamId, body);
}

export function number(value: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(value >>> 0);
  return payload;
}

export function reset(streamId: number, code: number): Buffer {
  return frame(FRAME_RST_STREAM, 0, streamId, number(code));
}

export function windowUpdate(streamId: number, increment: number): Buffer {
  return frame(FRAME_WINDOW_UPDATE, 0, streamId, number(increment));
}

export function ping(payload = 'ping-pay'): Buffer {
  return frame(FRAME_PING, 0, 0, payload);
}

export function goaway(lastStreamId: number, code: number, reason = ''): Buffer {
  return frame(FRAME_GOAWAY, 0, 0, Buffer.concat([number(lastStreamId), number(code), Buffer.from(reason)]));
}

const FRAME_NAMES = [
  'DATA',
  'HEADERS',
  'PRIORITY',
  'RST_STREAM',
  'SETTINGS',
  'PUSH_PROMISE',
  'PING',
  'GOAWAY',
  'WINDOW_UPDATE',
  'CONTINUATION',
];

function dataOf({ flags, payload }: Frame): Buffer {
  if ((flags & FLAG_PADDED) === 0) return payload;
  return payload.subarray(1, payload.length - (payload[0] as number));
}

function isAckOf({ type, flags, payload }: Frame, expected: Buffer): boolean {
  return type === FRAME_PING && (flags & FLAG_ACK) !== 0 && payload.equals(expected);
}
