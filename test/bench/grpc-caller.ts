// One connection of HTTP/2 without TLS, with a caller for each stream that may be open on it, for unary calls of gRPC.
//
// Just what these calls need: heads go out as literals, prepared once, and come in unread. An answer is right when it has a head,
// a body of the expected length, and trailers: a call that failed anywhere on its way has no body.
import { connect, type Socket } from 'node:net';
import { type Caller, type CallerEvents, type ConnectCallers, readBuffer } from './caller.ts';

export interface GrpcCall {
  port: number;
  authority: string;
  path: string;
  /** The message with its prefix. */
  request: Buffer;
  responseBytes: number;
  streams: number;
}

interface Answer {
  caller: StreamCaller;
  heads: number;
  bodyBytes: number;
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const FRAME_HEADER_BYTES = 9;
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;
const ACK = 1;
const END_STREAM = 1;
const END_HEADERS = 4;
const INITIAL_WINDOW_SIZE = 4;
const DEFAULT_WINDOW = 65_535;
const MAX_WINDOW = 2 ** 31 - 1;

/** Indices of HPACK's static table. */
const METHOD_POST = 0x83;
const SCHEME_HTTP = 0x86;
const NAMES = { ':authority': 1, ':path': 4, 'content-type': 31, 'user-agent': 58 } as const;

export function callGrpc(call: GrpcCall): ConnectCallers {
  return (events) => new GrpcConnection(call, events);
}

class StreamCaller implements Caller {
  arrivedAt = 0;
  readonly #connection: GrpcConnection;

  constructor(connection: GrpcConnection) {
    this.#connection = connection;
  }

  send(): void {
    this.#connection.call(this);
  }
}

class GrpcConnection {
  readonly #call: GrpcCall;
  readonly #events: CallerEvents;
  readonly #socket: Socket;
  readonly #headerBlock: Buffer;
  readonly #open = new Map<number, Answer>();
  /** Callers whose message is larger than what the proxy has room for. */
  readonly #waiting: StreamCaller[] = [];
  #nextStream = 1;
  #isSettled = false;
  #streamWindow = DEFAULT_WINDOW;
  #window = DEFAULT_WINDOW;
  #unread: Buffer = Buffer.alloc(0);

  constructor(call: GrpcCall, events: CallerEvents) {
    this.#call = call;
    this.#events = events;
    this.#headerBlock = requestHead(call);
    const onRead = (length: number) => {
      this.#read(readBuffer.subarray(0, length));
      return true;
    };
    this.#socket = connect({
      host: '127.0.0.1',
      port: call.port,
      noDelay: true,
      onread: { buffer: readBuffer, callback: onRead },
    });
    // As wide as it gets: no connection lives long enough to use it up, so that it never has to be widened again.
    const widen = Buffer.alloc(4);
    widen.writeUInt32BE(MAX_WINDOW - DEFAULT_WINDOW);
    this.#socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0), frame(WINDOW_UPDATE, 0, 0, widen)]));
    this.#socket.once('error', (error) => events.onFailed(`connection failed: ${error.message}`));
    this.#socket.once('close', () => events.onFailed('the proxy closed a connection'));
  }

  call(caller: StreamCaller): void {
    const { request } = this.#call;
    if (request.length > this.#streamWindow) this.#events.onFailed('the proxy has no room for one message');
    if (request.length > this.#window) {
      this.#waiting.push(caller);
      return;
    }
    const stream = this.#nextStream;
    this.#nextStream += 2;
    this.#window -= request.length;
    this.#open.set(stream, { caller, heads: 0, bodyBytes: 0 });
    const head = frame(HEADERS, END_HEADERS, stream, this.#headerBlock);
    this.#socket.write(Buffer.concat([head, frame(DATA, END_STREAM, stream, request)]));
  }

  close(): void {
    this.#socket.removeAllListeners('close').destroy();
  }

  #read(bytes: Buffer): void {
    let rest = Buffer.concat([this.#unread, bytes]);
    while (rest.length >= FRAME_HEADER_BYTES) {
      const end = FRAME_HEADER_BYTES + rest.readUIntBE(0, 3);
      if (rest.length < end) break;
      const stream = rest.readUInt32BE(5) & MAX_WINDOW;
      this.#readFrame(rest[3] ?? 0, rest[4] ?? 0, stream, rest.subarray(FRAME_HEADER_BYTES, end));
      rest = rest.subarray(end);
    }
    this.#unread = rest;
  }

  #readFrame(type: number, flags: number, stream: number, payload: Buffer): void {
    if (type === DATA || type === HEADERS) this.#readAnswer(type, flags, stream, payload);
    else if (type === SETTINGS && (flags & ACK) === 0) this.#applySettings(payload);
    else if (type === PING && (flags & ACK) === 0) this.#socket.write(frame(PING, ACK, 0, payload));
    else if (type === WINDOW_UPDATE && stream === 0) this.#widen(payload.readUInt32BE(0));
    else if (type === RST_STREAM) this.#events.onFailed(`a call was reset: ${payload.readUInt32BE(0)}`);
    else if (type === GOAWAY) this.#events.onFailed('the proxy is going away');
  }

  #readAnswer(type: number, flags: number, stream: number, payload: Buffer): void {
    const answer = this.#open.get(stream);
    if (answer === undefined) {
      this.#events.onFailed('an answer arrived that nobody asked for');
      return;
    }
    if (type === HEADERS) answer.heads++;
    else {
      answer.bodyBytes += payload.length;
      this.#events.onBody(payload.length);
    }
    if ((flags & END_STREAM) === 0) return;
    this.#open.delete(stream);
    if (type !== HEADERS || answer.heads < 2 || answer.bodyBytes !== this.#call.responseBytes) {
      this.#events.onFailed(`unexpected answer: ${answer.heads} heads, ${answer.bodyBytes} bytes`);
    } else {
      this.#events.onAnswered(answer.caller);
    }
  }

  #applySettings(payload: Buffer): void {
    for (let at = 0; at < payload.length; at += 6) {
      if (payload.readUInt16BE(at) === INITIAL_WINDOW_SIZE) this.#streamWindow = payload.readUInt32BE(at + 2);
    }
    this.#socket.write(frame(SETTINGS, ACK, 0));
    if (this.#isSettled) return;
    this.#isSettled = true;
    for (let i = 0; i < this.#call.streams; i++) this.#events.onReady(new StreamCaller(this));
  }

  #widen(bytes: number): void {
    this.#window += bytes;
    for (const caller of this.#waiting.splice(0)) this.call(caller);
  }
}

function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

function requestHead({ authority, path }: GrpcCall): Buffer {
  return Buffer.concat([
    Buffer.from([METHOD_POST, SCHEME_HTTP]),
    literal(NAMES[':authority'], authority),
    literal(NAMES[':path'], path),
    literal(NAMES['content-type'], 'application/grpc'),
    literal(NAMES['user-agent'], 'tulle-bench/1.0'),
    literal('te', 'trailers'),
  ]);
}

/** A field that no table keeps (RFC 7541 section 6.2.2). */
function literal(name: number | string, value: string): Buffer {
  if (typeof name === 'string') return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
  const index = name < 15 ? [name] : [15, name - 15];
  return Buffer.concat([Buffer.from(index), text(value)]);
}

/** Up to 126 characters, as they are. */
function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
}
