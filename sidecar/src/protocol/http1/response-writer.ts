/**
 * Writes responses to one downstream connection and decides, head by head, whether the connection goes on behind them.
 *
 * Invariants: the framing that is announced is the framing that is used. Once `last` is set it stays set, and every head from then on says
 * `connection: close`.
 */
import type { Exchange } from '../../core/exchange.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Transport } from '../../transport/transport.ts';
import { fieldId } from '../field-names.ts';
import {
  BODY_CHUNKED,
  BODY_LENGTH,
  BODY_NONE,
  BODY_UNTIL_CLOSE,
  type BodyKind,
  type Head,
  type RequestHead,
  type ResponseHead,
} from '../head.ts';
import { writeBody, writeHead, writeLastChunk } from './write.ts';

const TRANSFER_ENCODING = fieldId('transfer-encoding');
const CLOSE_LINE = Buffer.from('connection: close\r\n');
const KEEP_ALIVE_LINE = Buffer.from('connection: keep-alive\r\n');
const CONNECTION_BYTES = 10;
const CHUNKED_LINE = Buffer.from('transfer-encoding: chunked\r\n');
const TRANSFER_ENCODING_BYTES = 17;
const EMPTY_LINE = Buffer.from('content-length: 0\r\n');
const CONTENT_LENGTH_BYTES = 14;
const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');

export class ResponseWriter {
  /** No request is served on the connection after the current one. */
  last = false;
  /** The client was told to send its body, or sends it unasked. */
  bodyBegun = false;
  private readonly transport: Transport;
  private kind: BodyKind = BODY_NONE;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** A new request is there. */
  begin(): void {
    this.bodyBegun = false;
  }

  /** Clients of HTTP/1.0 don't know interim responses. */
  writeInterim(head: ResponseHead, request: RequestHead): void {
    if (request.minorVersion === 0) return;
    if (head.status === 100) this.bodyBegun = true;
    writeHead(this.transport.context.output, this.transport, head);
  }

  /** An interim response of our own, to see whether the peer is still there. */
  writeProbe(): void {
    this.transport.context.output.append(this.transport, CONTINUE, 0, CONTINUE.length);
  }

  writeHead(exchange: Exchange, head: ResponseHead): void {
    const { request } = exchange;
    this.frame(head, request);
    if (!request.keepAlive || (!exchange.requestComplete && this.cutsRequest(head, request)))
      this.last = true;
    if (head.switchesProtocol) this.last = true;
    else if (this.last) head.addLine(CLOSE_LINE, CONNECTION_BYTES);
    else if (request.minorVersion === 0) head.addLine(KEEP_ALIVE_LINE, CONNECTION_BYTES);
    writeHead(this.transport.context.output, this.transport, head);
  }

  writeBody(bytes: Uint8Array, start: number, end: number): void {
    writeBody(this.transport.context.output, this.transport, this.kind, bytes, start, end);
  }

  writeEnd(trailers: Head | null): void {
    if (this.kind === BODY_CHUNKED) writeLastChunk(this.transport.context.output, this.transport, trailers);
  }

  /** Whether a response that comes before the end of its request is the end of the connection as well. */
  private cutsRequest(head: ResponseHead, request: RequestHead): boolean {
    // A client that waits for 100 and gets a final response instead may send its body or not; only a new connection is unambiguous.
    if (request.expectsContinue && !this.bodyBegun) return true;
    // Success may be one side of a conversation, and a client that is told of the end stops sending (RFC 9112 section 9.5).
    if (head.status < 300) return false;
    return request.bodyKind !== BODY_LENGTH || request.contentLength > LIMITS.discardBodyBytes;
  }

  /** A body without a length of its own is chunked for 1.1 and ends with the connection for 1.0. */
  private frame(head: ResponseHead, request: RequestHead): void {
    this.kind = request.isHead ? BODY_NONE : head.bodyKind;
    // HTTP/2 says with the head that nothing follows; here that takes a field, or the client waits for more.
    if (this.kind === BODY_NONE && head.contentLength === -1 && !isBodiless(head, request)) {
      head.addLine(EMPTY_LINE, CONTENT_LENGTH_BYTES);
    }
    if (head.switchesProtocol || (this.kind !== BODY_CHUNKED && this.kind !== BODY_UNTIL_CLOSE)) return;
    if (request.minorVersion === 0) {
      head.drop(TRANSFER_ENCODING);
      this.kind = BODY_UNTIL_CLOSE;
      this.last = true;
    } else if (this.kind === BODY_UNTIL_CLOSE) {
      head.addLine(CHUNKED_LINE, TRANSFER_ENCODING_BYTES);
      this.kind = BODY_CHUNKED;
    }
  }
}

/** Nothing can follow, whatever the head says (RFC 9112 section 6.3). */
function isBodiless({ status }: ResponseHead, { isHead }: RequestHead): boolean {
  return isHead || status === 204 || status === 304;
}
