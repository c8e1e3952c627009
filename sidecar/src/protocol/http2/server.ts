import { Exchange } from '../../core/exchange.ts';
import { Failure } from '../../core/failure.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Route } from '../../core/route.ts';
import { takeAccept } from '../../core/waits.ts';
import type { ConnectionOwner, DownstreamConnection } from '../../downstream/connection.ts';
import type { Transport } from '../../transport/transport.ts';
import { BLOCK_FATAL, Http2Connection } from './connection.ts';
import {
  appendGoaway,
  appendNumberFrame,
  appendPing,
  appendSettings,
  DEFAULT_WINDOW,
  FRAME_WINDOW_UPDATE,
  MAX_STREAM_ID,
  NO_ERROR,
  PING_BYTES,
  PREFACE,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  SETTINGS_ENABLE_CONNECT_PROTOCOL,
  SETTINGS_INITIAL_WINDOW_SIZE,
  SETTINGS_MAX_CONCURRENT_STREAMS,
  SETTINGS_MAX_HEADER_LIST_SIZE,
  STREAM_CLOSED,
} from './frame.ts';
import { HPACK_OK } from './hpack/decoder.ts';
import { RequestFields } from './request-fields.ts';
import { DISCARD } from './response-fields.ts';
import { ServerStream } from './server-stream.ts';
import { type Http2Stream, NEVER } from './stream.ts';

const SERVER_SETTINGS = [
  [SETTINGS_MAX_CONCURRENT_STREAMS, LIMITS.http2StreamsPerConnection],
  [SETTINGS_INITIAL_WINDOW_SIZE, LIMITS.http2StreamWindowBytes],
  [SETTINGS_MAX_HEADER_LIST_SIZE, LIMITS.headBytes],
  [SETTINGS_ENABLE_CONNECT_PROTOCOL, 1],
] as const;
const DRAIN_PING = Buffer.alloc(PING_BYTES);

const fields = new RequestFields();

export class Http2Server extends Http2Connection<ServerStream> implements DownstreamConnection {
  readonly peerIdentity: string;
  readonly peerAddress: string;
  private readonly owner: ConnectionOwner;
  private readonly fallback: Route;
  private prefaceBytes = 0;
  private draining = false;
  /** The client knows which streams are the last; others are refused. */
  private closing = false;

  constructor(transport: Transport, owner: ConnectionOwner, fallback: Route, peerIdentity: string) {
    super(transport, true);
    this.owner = owner;
    this.fallback = fallback;
    this.peerIdentity = peerIdentity;
    this.peerAddress = transport.socket.remoteAddress ?? '';
  }

  start(): void {
    const { context } = this.transport;
    appendSettings(this.batch, SERVER_SETTINGS);
    const increment = LIMITS.http2ConnectionWindowBytes - DEFAULT_WINDOW;
    appendNumberFrame(this.batch, FRAME_WINDOW_UPDATE, 0, increment);
    this.transport.deadlineMs = context.clock.monotonicMs() + this.fallback.timeouts.headMs;
  }

  drain(): void {
    if (this.draining || this.ended) return;
    this.draining = true;
    appendGoaway(this.batch, MAX_STREAM_ID, NO_ERROR, 'draining');
    appendPing(this.batch, 0, DRAIN_PING, 0);
    if (this.streams.size === 0) this.linger();
  }

  cutOff(): void {
    for (const stream of [...this.streams.values()]) stream.cutOff();
    this.transport.destroy();
  }

  override onBytes(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (this.prefaceBytes < PREFACE.length && at < end) {
      if (bytes[at++] !== PREFACE[this.prefaceBytes++]) {
        this.fail(PROTOCOL_ERROR, 'the connection preface is malformed');
        return;
      }
    }
    super.onBytes(bytes, at, end);
    // Who does not read what it asked for must not ask for more: heads of responses are bounded by no window.
    if (this.transport.congested && !this.ended) this.transport.pause();
  }

  override onDrained(): void {
    this.transport.resume();
    super.onDrained();
  }

  onPeerEnd(): void {
    // A client that stops sending can't even acknowledge what it receives.
    this.end('the client closed the connection');
    this.batch.flush();
    this.transport.end();
    this.transport.deadlineMs = this.transport.context.nowMs + LIMITS.lingerMs;
  }

  override onClosed(error: Error | null): void {
    super.onClosed(error);
    this.owner.onGone(this);
  }

  onDeadline(): void {
    if (this.ended || (this.draining && this.streams.size === 0)) this.transport.destroy();
    else if (this.streams.size === 0) this.close('idle');
  }

  createExchange(stream: ServerStream, route: Route): Exchange {
    const { context } = this.transport;
    const exchange = new Exchange(
      route,
      stream,
      stream.request,
      context,
      this.peerIdentity,
      this.peerAddress,
      context.nowMs,
    );
    takeAccept(exchange, this.transport);
    return exchange;
  }

  onBlock(streamId: number, endStream: boolean, bytes: Buffer, start: number, end: number): void {
    const stream = this.streams.get(streamId);
    if (stream !== undefined) {
      this.onLaterBlock(stream, endStream, bytes, start, end);
    } else if ((streamId & 1) === 0) {
      this.fail(PROTOCOL_ERROR, 'a client opens streams of odd numbers');
    } else if (streamId <= this.lastStreamId) {
      this.discardBlock(bytes, start, end);
      if (!this.wasReset(streamId)) this.fail(STREAM_CLOSED, 'HEADERS on a stream that is closed');
    } else if (this.closing || this.streams.size >= LIMITS.http2StreamsPerConnection) {
      this.lastStreamId = streamId;
      if (this.decode(DISCARD, bytes, start, end) !== BLOCK_FATAL)
        this.refuseStream(streamId, REFUSED_STREAM);
    } else {
      this.openStream(streamId, endStream, bytes, start, end);
    }
  }

  onGoaway(): void {
    // The client opens no more streams; those that are open complete.
    this.draining = true;
    this.closing = true;
    if (this.streams.size === 0) this.close('the client is leaving');
  }

  onPingAck(): void {
    if (!this.draining || this.closing) return;
    this.closing = true;
    if (this.streams.size === 0) this.close('drained');
    else appendGoaway(this.batch, this.lastStreamId, NO_ERROR, 'draining');
  }

  onSettings(): void {
    if (this.streams.size === 0) this.awaitStream();
  }

  wasOpened(streamId: number): boolean {
    return (streamId & 1) === 1 && streamId <= this.lastStreamId;
  }

  protected onEnded(): void {}

  protected onStreamClosed(): void {
    if (this.streams.size > 0 || this.ended) return;
    if (this.draining && this.closing) this.close('drained');
    else if (this.draining) this.linger();
    else this.awaitStream();
  }

  private onLaterBlock(
    stream: Http2Stream,
    endStream: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    if (!stream.remoteEnded) {
      this.readTrailers(stream, endStream, bytes, start, end);
    } else {
      this.discardBlock(bytes, start, end);
      if (!this.ended) this.violate(stream, STREAM_CLOSED, 'HEADERS behind the end of the stream');
    }
  }

  private openStream(streamId: number, endStream: boolean, bytes: Buffer, start: number, end: number): void {
    const stream = this.spare.pop() ?? new ServerStream(this);
    fields.begin(stream.request);
    const result = this.decode(fields, bytes, start, end);
    if (result === BLOCK_FATAL) return;
    this.addStream(stream, streamId);
    this.transport.deadlineMs = NEVER;
    const failure = result === HPACK_OK ? fields.end(endStream) : Failure.headTooLarge.code;
    stream.beginExchange(failure, endStream, this.owner, this.fallback);
    if (failure === Failure.malformedRequest.code) this.tolerate();
  }

  /** The client has no stream open, and is given some time to hear that it should open none. */
  private linger(): void {
    this.transport.deadlineMs = this.transport.context.clock.monotonicMs() + LIMITS.lingerMs;
  }

  private awaitStream(): void {
    this.transport.deadlineMs = this.transport.context.nowMs + this.fallback.timeouts.idleMs;
  }

  private close(reason: string): void {
    this.fail(NO_ERROR, reason);
  }
}
