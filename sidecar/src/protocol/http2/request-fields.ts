/**
 * Builds a request head from decoded fields: pseudo-headers become the start line and Host (RFC 9113 section 8.3.1), and an extended
 * CONNECT becomes the upgrade that it stands for (RFC 8441 section 5).
 *
 * Invariants: a head that passes could have come from the HTTP/1.1 scanner; in particular no pseudo-header can smuggle a line break, a
 * space or a second authority into the start line.
 */
import { randomBytes } from 'node:crypto';
import { Failure } from '../../core/failure.ts';
import { LIMITS } from '../../core/limits.ts';
import { copyBytes } from '../../transport/output.ts';
import { readContentLength } from '../content-length.ts';
import { fieldId } from '../field-names.ts';
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, type RequestHead } from '../head.ts';
import { isAuthority } from '../http1/authority.ts';
import { CLASS, CR, LF, SP, skipTarget, TOKEN } from '../http1/bytes.ts';
import { equalsWord } from '../http1/scan.ts';
import { equalsBytes, noteMethod } from '../method.ts';
import { copyField, isConnectionField, LINE_END_BYTES, SEPARATOR_BYTES } from './field-copy.ts';
import type { FieldSink } from './hpack/decoder.ts';
import {
  PSEUDO_AUTHORITY,
  PSEUDO_METHOD,
  PSEUDO_NONE,
  PSEUDO_PATH,
  PSEUDO_PROTOCOL,
  PSEUDO_SCHEME,
  PSEUDO_STATUS,
} from './hpack/field.ts';

const HOST = fieldId('host');
const CONTENT_LENGTH = fieldId('content-length');
const COOKIE = fieldId('cookie');
const EXPECT = fieldId('expect');
const TE = fieldId('te');
const HTTP2_SETTINGS = fieldId('http2-settings');
const PROXY_AUTHORIZATION = fieldId('proxy-authorization');
const SEC_WEBSOCKET_KEY = fieldId('sec-websocket-key');

const WORD_CONTINUE = Buffer.from('100-continue');
const WORD_TRAILERS = Buffer.from('trailers');
const WORD_WEBSOCKET = Buffer.from('websocket');
const WORD_HTTP = Buffer.from('http');
const WORD_HTTPS = Buffer.from('https');
const METHOD_CONNECT = Buffer.from('CONNECT');
const METHOD_OPTIONS = Buffer.from('OPTIONS');
const METHOD_GET = Buffer.from('GET');
const HOST_NAME = Buffer.from('host: ');
const VERSION_END = Buffer.from(' HTTP/1.1\r\n');
const TE_LINE = Buffer.from('te: trailers\r\n');
const CONNECTION_TE_LINE = Buffer.from('connection: te\r\n');
const UPGRADE_LINES = [
  [Buffer.from('upgrade: websocket\r\n'), 'upgrade'.length],
  [Buffer.from('connection: upgrade\r\n'), 'connection'.length],
] as const;
const METHOD_BYTES = 32;
const COOKIE_SEPARATOR = '; ';

/** Values of the pseudo-headers of one head, end to end. */
const scratch = Buffer.allocUnsafeSlow(LIMITS.headBytes);

export class RequestFields implements FieldSink {
  private head: RequestHead = null as unknown as RequestHead;
  private failure = 0;
  private used = 0;
  /** Where the value of each pseudo-header lies in `scratch`; -1 while it did not come. By its kind. */
  private readonly starts = new Int32Array(PSEUDO_PROTOCOL + 1);
  private readonly ends = new Int32Array(PSEUDO_PROTOCOL + 1);
  private started = false;
  private cookies = 0;

  begin(head: RequestHead): void {
    head.reset();
    head.majorVersion = 2;
    this.head = head;
    this.failure = 0;
    this.used = 0;
    this.starts.fill(-1);
    this.started = false;
    this.cookies = 0;
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
    if (this.failure !== 0) return;
    if (!wellFormed) {
      this.failure = Failure.malformedRequest.code;
    } else if (pseudo !== PSEUDO_NONE) {
      this.readPseudo(line, start + nameLength + SEPARATOR_BYTES, end - LINE_END_BYTES, pseudo);
    } else {
      if (!this.started) this.writeStartLine();
      if (this.failure === 0) this.readField(line, start, end, nameLength, id, neverIndexed);
    }
  }

  /** The block is over. Returns 0 or the code of a failure; `malformed_request` means that the stream is reset. */
  end(endStream: boolean): number {
    if (!this.started && this.failure === 0) this.writeStartLine();
    if (this.failure !== 0) return this.failure;
    const { head } = this;
    if (this.cookies > 1) this.joinCookies();
    if (head.authorityStart === head.authorityEnd) return Failure.malformedRequest.code;
    // What follows an upgrade has no length; a recipient that declines it would read one all the same.
    if (head.wantsUpgrade && head.contentLength !== -1) return Failure.malformedRequest.code;
    head.adopted = true;
    if (endStream) {
      if (head.contentLength > 0) return Failure.malformedRequest.code;
      head.bodyKind = BODY_NONE;
    } else if (head.wantsUpgrade || head.contentLength === 0) {
      head.bodyKind = BODY_NONE;
    } else {
      head.bodyKind = head.contentLength === -1 ? BODY_CHUNKED : BODY_LENGTH;
    }
    if (head.has(TE)) {
      head.drop(TE);
      head.addLine(TE_LINE, 2);
      head.addLine(CONNECTION_TE_LINE, 10);
    }
    if (head.has(EXPECT)) {
      head.expectsContinue = head.bodyKind !== BODY_NONE;
      if (!head.expectsContinue) head.drop(EXPECT);
    }
    return 0;
  }

  private readPseudo(line: Uint8Array, start: number, end: number, pseudo: number): void {
    const known = pseudo <= PSEUDO_PROTOCOL && pseudo !== PSEUDO_STATUS;
    if (!known || this.started || this.starts[pseudo] !== -1) {
      this.failure = Failure.malformedRequest.code;
      return;
    }
    if (this.used + end - start > scratch.length) {
      this.failure = Failure.headTooLarge.code;
      return;
    }
    copyBytes(line, start, end, scratch, this.used);
    this.starts[pseudo] = this.used;
    this.used += end - start;
    this.ends[pseudo] = this.used;
  }

  private readField(
    line: Uint8Array,
    start: number,
    end: number,
    nameLength: number,
    id: number,
    neverIndexed: boolean,
  ): void {
    const { head } = this;
    if (isConnectionField(id)) {
      this.failure = Failure.malformedRequest.code;
      return;
    }
    const valueStart = start + nameLength + SEPARATOR_BYTES;
    const valueEnd = end - LINE_END_BYTES;
    switch (id) {
      case HOST:
        if (head.authorityEnd > head.authorityStart) {
          if (!this.namesAuthority(line, valueStart, valueEnd)) this.failure = Failure.malformedRequest.code;
          return;
        }
        if (!isAuthority(line, valueStart, valueEnd)) this.failure = Failure.malformedRequest.code;
        head.authorityStart = head.length + HOST_NAME.length;
        head.authorityEnd = head.authorityStart + valueEnd - valueStart;
        break;
      case CONTENT_LENGTH:
        if (head.contentLength !== -1) this.failure = Failure.malformedRequest.code;
        head.contentLength = readContentLength(line, valueStart, valueEnd);
        if (head.contentLength === -1) this.failure = Failure.malformedRequest.code;
        break;
      case TE:
        if (!equalsWord(line, valueStart, valueEnd, WORD_TRAILERS))
          this.failure = Failure.malformedRequest.code;
        break;
      case EXPECT:
        if (!equalsWord(line, valueStart, valueEnd, WORD_CONTINUE))
          this.failure = Failure.unsupportedExpectation.code;
        break;
      case COOKIE:
        this.cookies++;
        break;
      case SEC_WEBSOCKET_KEY:
        // A WebSocket over HTTP/2 has none (RFC 8441 section 5); there must not be two.
        if (head.wantsUpgrade) return;
        break;
      case HTTP2_SETTINGS:
      case PROXY_AUTHORIZATION:
        return;
    }
    if (this.failure === 0 && !copyField(head, line, start, end, nameLength, id, neverIndexed)) {
      this.failure = Failure.headTooLarge.code;
    }
  }

  /** Whether the range is the authority that is known already, letter case aside. */
  private namesAuthority(line: Uint8Array, start: number, end: number): boolean {
    const { bytes, authorityStart, authorityEnd } = this.head;
    if (end - start !== authorityEnd - authorityStart) return false;
    for (let i = start, o = authorityStart; i < end; i++, o++) {
      if (lowerCase(line[i] as number) !== lowerCase(bytes[o] as number)) return false;
    }
    return true;
  }

  private writeStartLine(): void {
    this.started = true;
    this.failure = this.checkPseudo();
    if (this.failure !== 0) return;
    const { head, starts, ends } = this;
    const tunnels = starts[PSEUDO_PROTOCOL] !== -1;
    head.reserve(this.used + 64);
    const { bytes } = head;
    let at = 0;
    if (tunnels) {
      copyBytes(METHOD_GET, 0, METHOD_GET.length, bytes, 0);
      at = METHOD_GET.length;
    } else {
      at = this.copyPseudo(PSEUDO_METHOD, 0);
    }
    head.methodEnd = at;
    bytes[at++] = SP;
    head.pathStart = at;
    at = this.copyPseudo(PSEUDO_PATH, at);
    head.pathEnd = at;
    const query = bytes.subarray(head.pathStart, at).indexOf(0x3f);
    head.queryStart = query === -1 ? at : head.pathStart + query + 1;
    copyBytes(VERSION_END, 0, VERSION_END.length, bytes, at);
    head.length = at + VERSION_END.length;
    head.fieldsStart = head.length;
    noteMethod(head);
    if (starts[PSEUDO_AUTHORITY] !== -1) {
      const lineStart = head.length;
      copyBytes(HOST_NAME, 0, HOST_NAME.length, bytes, lineStart);
      head.authorityStart = lineStart + HOST_NAME.length;
      head.authorityEnd = this.copyPseudo(PSEUDO_AUTHORITY, head.authorityStart);
      bytes[head.authorityEnd] = CR;
      bytes[head.authorityEnd + 1] = LF;
      head.length = head.authorityEnd + 2;
      head.push(lineStart, lineStart + 4, head.authorityStart, head.authorityEnd, HOST);
    }
    if (tunnels) this.writeUpgrade(starts[PSEUDO_PROTOCOL] as number, ends[PSEUDO_PROTOCOL] as number);
  }

  /** A WebSocket over HTTP/2 has no key; one over HTTP/1.1 must have. */
  private writeUpgrade(start: number, end: number): void {
    const { head } = this;
    if (!equalsWord(scratch, start, end, WORD_WEBSOCKET)) {
      this.failure = Failure.unsupportedMethod.code;
      return;
    }
    for (const [line, nameLength] of UPGRADE_LINES) head.addLine(line, nameLength);
    head.add('sec-websocket-key', randomBytes(16).toString('base64'));
    head.wantsUpgrade = true;
  }

  private checkPseudo(): number {
    const { starts, ends } = this;
    const malformed = Failure.malformedRequest.code;
    const methodStart = starts[PSEUDO_METHOD] as number;
    const methodEnd = ends[PSEUDO_METHOD] as number;
    if (methodStart === -1 || methodStart === methodEnd || methodEnd - methodStart > METHOD_BYTES)
      return malformed;
    if (!isOf(TOKEN, methodStart, methodEnd)) return malformed;
    const connects = equalsBytes(scratch, methodStart, methodEnd, METHOD_CONNECT);
    const tunnels = starts[PSEUDO_PROTOCOL] !== -1;
    if (tunnels && !connects) return malformed;
    const authorityStart = starts[PSEUDO_AUTHORITY] as number;
    if (authorityStart !== -1 && !isAuthority(scratch, authorityStart, ends[PSEUDO_AUTHORITY] as number)) {
      return malformed;
    }
    if (connects && !tunnels) {
      const wellFormed = authorityStart !== -1 && starts[PSEUDO_SCHEME] === -1 && starts[PSEUDO_PATH] === -1;
      return wellFormed ? Failure.unsupportedMethod.code : malformed;
    }
    return this.checkTarget(methodStart, methodEnd);
  }

  private checkTarget(methodStart: number, methodEnd: number): number {
    const { starts, ends } = this;
    const malformed = Failure.malformedRequest.code;
    const schemeStart = starts[PSEUDO_SCHEME] as number;
    const schemeEnd = ends[PSEUDO_SCHEME] as number;
    const isHttp =
      schemeStart !== -1 &&
      (equalsWord(scratch, schemeStart, schemeEnd, WORD_HTTP) ||
        equalsWord(scratch, schemeStart, schemeEnd, WORD_HTTPS));
    if (!isHttp) return malformed;
    const pathStart = starts[PSEUDO_PATH] as number;
    const pathEnd = ends[PSEUDO_PATH] as number;
    if (pathStart === -1 || pathStart === pathEnd) return malformed;
    if (pathEnd - pathStart > LIMITS.targetBytes) return Failure.targetTooLong.code;
    if (skipTarget(scratch, pathStart, pathEnd) !== pathEnd) return malformed;
    const asterisk = pathEnd - pathStart === 1 && scratch[pathStart] === 0x2a;
    if (asterisk) return equalsBytes(scratch, methodStart, methodEnd, METHOD_OPTIONS) ? 0 : malformed;
    return scratch[pathStart] === 0x2f ? 0 : malformed;
  }

  private copyPseudo(pseudo: number, at: number): number {
    const start = this.starts[pseudo] as number;
    const end = this.ends[pseudo] as number;
    copyBytes(scratch, start, end, this.head.bytes, at);
    return at + end - start;
  }

  /** A cookie that came in several fields is one field in HTTP/1.1 (RFC 9113 section 8.2.3). */
  private joinCookies(): void {
    const { head } = this;
    const values: string[] = [];
    for (let row = 0; row < head.rows; row++) {
      if (head.ids[row] === COOKIE) {
        values.push(head.bytes.toString('latin1', head.valueStart(row), head.valueEnd(row)));
      }
    }
    head.drop(COOKIE);
    head.add('cookie', values.join(COOKIE_SEPARATOR));
  }
}

function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

function isOf(bits: number, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    if (((CLASS[scratch[at] as number] as number) & bits) === 0) return false;
  }
  return true;
}
