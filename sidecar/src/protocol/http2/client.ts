import type { Exchange } from '../../core/exchange.ts';
import { Failure } from '../../core/failure.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Timeouts } from '../../core/route.ts';
import type { Transport } from '../../transport/transport.ts';
import type { ConnectionOwner, ConnectionSetup, UpstreamConnection } from '../../upstream/connection.ts';
import type { RequestHead } from '../head.ts';
import { asksForWebSocket } from '../websocket.ts';
import { ClientStream } from './client-stream.ts';
import { BLOCK_FATAL, Http2Connection } from './connection.ts';
import {
  appendNumberFrame,
  appendPing,
  appendSettings,
  CANCEL,
  DEFAULT_WINDOW,
  FRAME_WINDOW_UPDATE,
  MAX_STREAM_ID,
  NO_ERROR,
  PING_BYTES,
  PREFACE,
  PROTOCOL_ERROR,
  SETTINGS_ENABLE_PUSH,
  SETTINGS_INITIAL_WINDOW_SIZE,
  SETTINGS_MAX_HEADER_LIST_SIZE,
  SETTINGS_TIMEOUT,
  STREAM_CLOSED,
} from './frame.ts';
import { encodeRequest } from './head-encoder.ts';
import { HPACK_OK } from './hpack/decoder.ts';
import { ResponseFields } from './response-fields.ts';
import { NEVER } from './stream.ts';

const CLIENT_SETTINGS = [
  [SETTINGS_ENABLE_PUSH, 0],
  [SETTINGS_INITIAL_WINDOW_SIZE, LIMITS.http2StreamWindowBytes],
  [SETTINGS_MAX_HEADER_LIST_SIZE, LIMITS.headBytes],
] as const;
const PROBE = Buffer.alloc(PING_BYTES);

const fields = new ResponseFields();

export class Http2Client extends Http2Connection<ClientStream> implements UpstreamConnection {
  listed = false;
  readonly timeouts: Timeouts;
  readonly identity: string;
  readonly secure: boolean;
  setupMs: number;
  tlsMs: number;
  reused = false;
  private readonly owner: ConnectionOwner;
  private readonly authority: string;
  private retired = false;
  /** Of the streams whose request was sent, the last. */
  private lastSentId = 0;
  private settleTimedOut = false;
  private prematureResets = 0;
  /** The peer was asked whether it is still there. */
  private probing = false;

  constructor(
    transport: Transport,
    owner: ConnectionOwner,
    timeouts: Timeouts,
    authority: string,
    identity: string,
    { setupMs, tlsMs }: ConnectionSetup,
  ) {
    super(transport, false);
    this.owner = owner;
    this.timeouts = timeouts;
    this.authority = authority;
    this.identity = identity;
    this.secure = identity !== '';
    this.setupMs = setupMs;
    this.tlsMs = tlsMs;
    const { batch } = this;
    batch.reserve(PREFACE.length);
    batch.append(PREFACE, 0, PREFACE.length);
    appendSettings(batch, CLIENT_SETTINGS);
    appendNumberFrame(batch, FRAME_WINDOW_UPDATE, 0, LIMITS.http2ConnectionWindowBytes - DEFAULT_WINDOW);
    transport.deadlineMs = transport.context.nowMs + timeouts.connectMs;
  }

  get usable(): boolean {
    return !this.retired && !this.ended && !this.transport.gone;
  }

  get room(): number {
    return this.usable && this.settled && !this.probing
      ? Math.max(0, this.peer.streams - this.streams.size)
      : 0;
  }

  /** Streams that the peer allows at once. */
  get streamLimit(): number {
    return this.peer.streams;
  }

  get idle(): boolean {
    return this.streams.size === 0;
  }

  attach(exchange: Exchange): ClientStream {
    const stream = this.spare.pop() ?? new ClientStream(this);
    this.addStream(stream, this.lastStreamId === 0 ? 1 : this.lastStreamId + 2);
    if (this.lastStreamId >= MAX_STREAM_ID - 2) this.retire();
    stream.begin(exchange, this, this.reused);
    this.reused = true;
    this.setupMs = 0;
    this.tlsMs = 0;
    this.transport.deadlineMs = NEVER;
    return stream;
  }

  /** Takes no further exchange; closes behind the last one. */
  retire(): void {
    this.retired = true;
    if (this.streams.size === 0) this.close();
  }

  close(): void {
    this.fail(NO_ERROR, '');
  }

  awaitExchange(): void {
    if (!this.probing) this.transport.deadlineMs = this.transport.context.nowMs + this.timeouts.idleMs;
  }

  /** Whether the peer still answers; if it does not, the connection is lost. */
  probe(): void {
    if (this.probing || this.ended) return;
    this.probing = true;
    appendPing(this.batch, 0, PROBE, 0);
    this.transport.deadlineMs = this.transport.context.nowMs + LIMITS.http2ProbeMs;
  }

  onPeerEnd(): void {
    this.end('the endpoint closed the connection');
    this.transport.destroy();
  }

  onDeadline(): void {
    if (this.ended || this.probing) {
      this.end('the endpoint is silent');
      this.transport.destroy();
    } else if (!this.settled) {
      this.settleTimedOut = true;
      this.fail(SETTINGS_TIMEOUT, `no settings within ${this.timeouts.connectMs} ms`);
    } else if (this.streams.size === 0) {
      this.close();
    }
  }

  /** RFC 8441 section 3: not before the peer has said that it knows what that is. */
  takesTunnel(request: RequestHead): boolean {
    return this.peer.takesTunnels && asksForWebSocket(request);
  }

  writeRequest(stream: ClientStream, exchange: Exchange): void {
    // Streams are opened in the order of their numbers, whatever delayed this one.
    if (stream.id < this.lastSentId) this.renumber(stream);
    this.lastSentId = stream.id;
    stream.headSent = true;
    encodeRequest(this, stream, exchange.request, stream.tunnels, this.authority, this.secure);
  }

  /** Nobody waits for the response any more. */
  abandon(stream: ClientStream): void {
    if (!stream.headSent) {
      this.closeStream(stream);
      return;
    }
    const { nowMs } = this.transport.context;
    const premature = this.streams.has(stream.id) && nowMs - stream.openedMs < LIMITS.http2PrematureResetMs;
    this.abandonStream(stream, CANCEL);
    // The peer may take many of them for an attack; others share the connection.
    if (premature && ++this.prematureResets === LIMITS.http2OwnPrematureResets) this.retire();
  }

  onBlock(streamId: number, endStream: boolean, bytes: Buffer, start: number, end: number): void {
    const stream = this.streams.get(streamId);
    if (!this.wasOpened(streamId)) {
      this.fail(PROTOCOL_ERROR, 'HEADERS on a stream that was not opened');
    } else if (stream === undefined) {
      this.discardBlock(bytes, start, end);
    } else if (stream.remoteEnded) {
      this.discardBlock(bytes, start, end);
      if (!this.ended) this.violate(stream, STREAM_CLOSED, 'HEADERS behind the end of the stream');
    } else if (stream.headDone) {
      this.readTrailers(stream, endStream, bytes, start, end);
    } else {
      fields.begin(stream.head);
      const result = this.decode(fields, bytes, start, end);
      if (result === BLOCK_FATAL) return;
      const wellFormed = result === HPACK_OK && fields.end(stream.request, stream.tunnels, endStream);
      if (!wellFormed) this.violate(stream, PROTOCOL_ERROR, 'malformed response head');
      else if (stream.head.status < 200 && !stream.head.switchesProtocol) stream.onInterimHead();
      else this.onHead(stream, endStream);
    }
  }

  onGoaway(lastStreamId: number): void {
    this.retired = true;
    for (const stream of [...this.streams.values()]) {
      if (stream.id <= lastStreamId) continue;
      this.closeStream(stream);
      stream.onLost('the endpoint is going away', true);
    }
    if (this.streams.size === 0) this.close();
  }

  onPingAck(): void {
    this.probing = false;
    this.transport.deadlineMs = NEVER;
    if (!this.retired) this.owner.onRoom(this);
  }

  onSettings(): void {
    this.owner.onRoom(this);
  }

  wasOpened(streamId: number): boolean {
    return (streamId & 1) === 1 && streamId <= this.lastSentId;
  }

  protected onEnded(detail: string): void {
    this.owner.onGone(this, detail, this.settleTimedOut ? Failure.connectTimeout : Failure.connectRefused);
  }

  protected onStreamClosed(): void {
    if (this.ended) return;
    if (this.retired) {
      if (this.streams.size === 0) this.close();
    } else if (!this.listed || this.streams.size === 0) {
      this.owner.onRoom(this);
    }
  }

  private renumber(stream: ClientStream): void {
    this.streams.delete(stream.id);
    this.lastStreamId += 2;
    stream.id = this.lastStreamId;
    this.streams.set(stream.id, stream);
  }

  private onHead(stream: ClientStream, endStream: boolean): void {
    stream.onFinalHead();
    if (endStream && this.streams.has(stream.id)) this.endRemote(stream, null);
  }
}
