/**
 * Builds response heads and trailers from decoded fields (RFC 9113 sections 8.1 and 8.3.2).
 *
 * Invariants: what is malformed is never forwarded; the response to an extended CONNECT becomes the 101 that an upgrade is answered with.
 */
import { createHash } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import { LIMITS } from '../../core/limits.ts';
import { copyBytes } from '../../transport/output.ts';
import { readContentLength } from '../content-length.ts';
import { fieldId } from '../field-names.ts';
import {
  BODY_LENGTH,
  BODY_NONE,
  BODY_UNTIL_CLOSE,
  Head,
  type RequestHead,
  type ResponseHead,
} from '../head.ts';
import { cleanTrailers } from '../trailers.ts';
import { copyField, isConnectionField, LINE_END_BYTES, SEPARATOR_BYTES } from './field-copy.ts';
import type { FieldSink } from './hpack/decoder.ts';
import { PSEUDO_NONE, PSEUDO_STATUS } from './hpack/field.ts';

const CONTENT_LENGTH = fieldId('content-length');
const TE = fieldId('te');
const PROXY_AUTHENTICATE = fieldId('proxy-authenticate');
const SEC_WEBSOCKET_KEY = fieldId('sec-websocket-key');
const UPGRADE_LINES = [
  [Buffer.from('upgrade: websocket\r\n'), 'upgrade'.length],
  [Buffer.from('connection: upgrade\r\n'), 'connection'.length],
] as const;
/** RFC 6455 section 1.3. */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** `HTTP/1.1 ` */
const STATUS_AT = 9;
const SWITCHING = '101';
const MIN_STATUS = 100;
const MAX_STATUS = 599;

const statusLines: (Buffer | undefined)[] = [];

export class ResponseFields implements FieldSink {
  private head: ResponseHead = null as unknown as ResponseHead;
  private malformed = false;

  begin(head: ResponseHead): void {
    head.reset();
    this.head = head;
    this.malformed = false;
  }

  onField(
    line: Uint8Array,
    start: number,
    end: number,
    nameLength: number,
    id: number,
    pseudo: number,
    wellFormed: boolean,
    neverIndexed: boolean,
  ): void {
    if (this.malformed) return;
    const { head } = this;
    const valueStart = start + nameLength + SEPARATOR_BYTES;
    const valueEnd = end - LINE_END_BYTES;
    if (!wellFormed) {
      this.malformed = true;
    } else if (pseudo !== PSEUDO_NONE) {
      if (pseudo !== PSEUDO_STATUS || head.status !== 0) this.malformed = true;
      else this.readStatus(line, valueStart, valueEnd);
    } else if (head.status === 0 || isConnectionField(id) || id === TE) {
      this.malformed = true;
    } else if (id !== PROXY_AUTHENTICATE) {
      if (id === CONTENT_LENGTH) {
        if (head.contentLength !== -1) this.malformed = true;
        head.contentLength = readContentLength(line, valueStart, valueEnd);
        if (head.contentLength === -1) this.malformed = true;
      }
      if (!copyField(head, line, start, end, nameLength, id, neverIndexed)) this.malformed = true;
    }
  }

  /** The block is over. False when the response is not to be forwarded. `tunnels`: the request went out as an extended CONNECT. */
  end(asked: RequestHead, tunnels: boolean, endStream: boolean): boolean {
    const { head } = this;
    const { status } = head;
    // A switch of protocols is no business of HTTP/2 (RFC 9113 section 8.6).
    if (this.malformed || status === 0 || status === 101) return false;
    head.adopted = true;
    if (status < 200) {
      head.drop(CONTENT_LENGTH);
      return !endStream;
    }
    if (status === 200 && tunnels) return this.switchProtocol(asked, endStream);
    if (status === 204 || status === 304 || asked.isHead) {
      if (status === 204) head.drop(CONTENT_LENGTH);
      head.bodyKind = BODY_NONE;
    } else if (endStream) {
      head.bodyKind = BODY_NONE;
      return head.contentLength <= 0;
    } else if (head.contentLength === -1) {
      head.bodyKind = BODY_UNTIL_CLOSE;
    } else {
      head.bodyKind = head.contentLength === 0 ? BODY_NONE : BODY_LENGTH;
    }
    return true;
  }

  private readStatus(line: Uint8Array, start: number, end: number): void {
    const status = end - start === 3 ? readContentLength(line, start, end) : -1;
    if (status < MIN_STATUS || status > MAX_STATUS) {
      this.malformed = true;
      return;
    }
    writeStatusLine(this.head, status);
  }

  private switchProtocol(asked: RequestHead, endStream: boolean): boolean {
    const { head } = this;
    if (endStream || head.contentLength !== -1) return false;
    head.bytes.write(SWITCHING, STATUS_AT, 'latin1');
    head.status = 101;
    for (const [line, nameLength] of UPGRADE_LINES) head.addLine(line, nameLength);
    const key = asked.value(SEC_WEBSOCKET_KEY) ?? '';
    head.add('sec-websocket-accept', createHash('sha1').update(`${key}${WEBSOCKET_GUID}`).digest('base64'));
    head.switchesProtocol = true;
    head.bodyKind = BODY_UNTIL_CLOSE;
    return true;
  }
}

/** Trailers of either direction: no pseudo-headers, no connection fields. What `end` returns is valid until the next `begin`. */
export class TrailerFields implements FieldSink {
  private readonly head = new Head();
  private malformed = false;

  begin(): void {
    this.head.reset();
    this.malformed = false;
  }

  onField(
    line: Uint8Array,
    start: number,
    end: number,
    nameLength: number,
    id: number,
    pseudo: number,
    wellFormed: boolean,
    neverIndexed: boolean,
  ): void {
    if (this.malformed) return;
    this.malformed =
      !wellFormed ||
      pseudo !== PSEUDO_NONE ||
      isConnectionField(id) ||
      this.head.length + end - start > LIMITS.trailerBytes ||
      !copyField(this.head, line, start, end, nameLength, id, neverIndexed);
  }

  /** Null when the trailers are malformed. */
  end(): Head | null {
    this.head.adopted = true;
    return this.malformed || !cleanTrailers(this.head) ? null : this.head;
  }
}

/** For blocks that nobody wants: they are decoded all the same, or the compression state would be lost. */
export const DISCARD: FieldSink = { onField(): void {} };

function writeStatusLine(head: ResponseHead, status: number): void {
  const line = statusLineOf(status);
  head.reserve(line.length);
  copyBytes(line, 0, line.length, head.bytes, 0);
  head.status = status;
  head.length = line.length;
  head.fieldsStart = line.length;
}

function statusLineOf(status: number): Buffer {
  const line = statusLines[status] ?? Buffer.from(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`);
  statusLines[status] = line;
  return line;
}
