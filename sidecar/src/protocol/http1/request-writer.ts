/**
 * Writes requests to one upstream connection.
 *
 * Invariants: the framing that is announced is the framing that is used; every request has a Host.
 */
import type { Transport } from '../../transport/transport.ts';
import { fieldId } from '../field-names.ts';
import {
  BODY_CHUNKED,
  BODY_NONE,
  BODY_UNTIL_CLOSE,
  type BodyKind,
  type Head,
  type RequestHead,
} from '../head.ts';
import { writeBody, writeHead, writeHeadTo, writeLastChunk } from './write.ts';

const HOST = fieldId('host');
const TRANSFER_ENCODING = fieldId('transfer-encoding');
const CHUNKED_LINE = Buffer.from('transfer-encoding: chunked\r\n');
const TRANSFER_ENCODING_BYTES = 17;

export class RequestWriter {
  private readonly transport: Transport;
  private readonly authority: string;
  private kind: BodyKind = BODY_NONE;

  /** `authority` is for requests that name none. */
  constructor(transport: Transport, authority: string) {
    this.transport = transport;
    this.authority = authority;
  }

  writeHead(request: RequestHead): void {
    this.kind = request.bodyKind;
    // A request of HTTP/1.0 may lack a Host, one of HTTP/1.1 may not.
    if (!request.has(HOST)) request.add('host', this.authority);
    // One of HTTP/2 says nothing of how its body is framed.
    if (this.kind === BODY_CHUNKED && !request.has(TRANSFER_ENCODING)) {
      request.addLine(CHUNKED_LINE, TRANSFER_ENCODING_BYTES);
    }
    const { output } = this.transport.context;
    if (request.target === null) writeHead(output, this.transport, request);
    else writeHeadTo(request.target, output, this.transport, request);
  }

  writeBody(bytes: Uint8Array, start: number, end: number): void {
    writeBody(this.transport.context.output, this.transport, this.kind, bytes, start, end);
  }

  writeEnd(trailers: Head | null): void {
    if (this.kind === BODY_CHUNKED) writeLastChunk(this.transport.context.output, this.transport, trailers);
  }

  /** From here on bytes are those of another protocol. */
  switchProtocol(): void {
    this.kind = BODY_UNTIL_CLOSE;
  }
}
