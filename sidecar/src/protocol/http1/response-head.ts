/**
 * Response heads of HTTP/1.1: the status line and the checks that make a response unambiguous.
 *
 * Invariants: a response that passes is framed the same way by every conforming recipient. One that does not is never forwarded.
 */
import { LIMITS } from '../../core/limits.ts';
import { fieldId } from '../field-names.ts';
import {
  BODY_CHUNKED,
  BODY_LENGTH,
  BODY_NONE,
  BODY_UNTIL_CLOSE,
  type RequestHead,
  type ResponseHead,
} from '../head.ts';
import { CLASS, CR, DIGIT, LF, SP, VALUE } from './bytes.ts';
import { FRAMING_OK, found, readFraming } from './framing.ts';
import { BAD_SYNTAX, INCOMPLETE, scanFields, TOO_LARGE } from './scan.ts';

const UPGRADE = fieldId('upgrade');
const CONTENT_LENGTH = fieldId('content-length');
const TRANSFER_ENCODING = fieldId('transfer-encoding');
const VERSION = Buffer.from('HTTP/1.');
const UPGRADE_LINE = Buffer.from('connection: upgrade\r\n');
/** `HTTP/1.1 200` */
const STATUS_END = 12;

/**
 * Scans a response head in `bytes[base, end)`. Returns its length when it is complete, sound and adopted by `head`; INCOMPLETE when
 * more bytes are needed; BAD_SYNTAX or TOO_LARGE otherwise.
 */
export function scanResponseHead(
  head: ResponseHead,
  asked: RequestHead,
  bytes: Uint8Array,
  base: number,
  end: number,
): number {
  if (head.fieldsStart === 0) {
    const result = scanStatusLine(head, bytes, base, end);
    if (result <= 0) return result;
    head.fieldsStart = result;
    head.length = result;
  }
  const consumed = scanFields(head, bytes, base, end);
  if (consumed === INCOMPLETE) return end - base > LIMITS.headBytes ? TOO_LARGE : INCOMPLETE;
  if (consumed < 0) return consumed;
  if (consumed > LIMITS.headBytes) return TOO_LARGE;
  head.adopt(bytes, base, head.length);
  return checkResponse(head, asked) ? consumed : BAD_SYNTAX;
}

function scanStatusLine(head: ResponseHead, bytes: Uint8Array, base: number, end: number): number {
  for (let i = 0; i < VERSION.length; i++) {
    if (base + i >= end) return INCOMPLETE;
    if (bytes[base + i] !== VERSION[i]) return BAD_SYNTAX;
  }
  let status = 0;
  for (let i = VERSION.length; i <= STATUS_END; i++) {
    if (base + i >= end) return INCOMPLETE;
    const byte = bytes[base + i] as number;
    const isDigit = ((CLASS[byte] as number) & DIGIT) !== 0;
    if (i === VERSION.length) {
      if (!isDigit) return BAD_SYNTAX;
      head.minorVersion = byte === 0x30 ? 0 : 1;
    } else if (i === VERSION.length + 1) {
      if (byte !== SP) return BAD_SYNTAX;
    } else if (i < STATUS_END) {
      if (!isDigit) return BAD_SYNTAX;
      status = status * 10 + byte - 0x30;
    } else if (byte !== SP) {
      return BAD_SYNTAX;
    }
  }
  if (status < 100 || status > 599) return BAD_SYNTAX;
  head.status = status;
  let at = base + STATUS_END;
  while (at < end && ((CLASS[bytes[at] as number] as number) & VALUE) !== 0) at++;
  if (at - base > LIMITS.fieldLineBytes) return TOO_LARGE;
  if (at === end) return INCOMPLETE;
  if (bytes[at] !== CR) return BAD_SYNTAX;
  if (at + 1 === end) return INCOMPLETE;
  return bytes[at + 1] === LF ? at + 2 - base : BAD_SYNTAX;
}

/** Message body length, RFC 9112 section 6.3. */
function checkResponse(head: ResponseHead, asked: RequestHead): boolean {
  if (readFraming(head) !== FRAMING_OK) return false;
  // This hop speaks 1.1, whatever it was answered in.
  head.bytes[VERSION.length] = 0x31;
  const { status } = head;
  if (status === 101) {
    if (!asked.wantsUpgrade || !found.upgradeNominated || !offersProtocol(asked, head)) return false;
    head.switchesProtocol = true;
    head.bodyKind = BODY_UNTIL_CLOSE;
    head.addLine(UPGRADE_LINE, 10);
    return true;
  }
  head.drop(UPGRADE);
  if (status < 200 || status === 204) {
    head.drop(CONTENT_LENGTH);
    head.drop(TRANSFER_ENCODING);
    head.bodyKind = BODY_NONE;
  } else if (asked.isHead || status === 304) {
    head.bodyKind = BODY_NONE;
  } else if (head.bodyKind !== BODY_CHUNKED && head.bodyKind !== BODY_LENGTH && head.contentLength !== 0) {
    head.bodyKind = BODY_UNTIL_CLOSE;
  }
  return true;
}

/** A server switches to one of the protocols that it was offered (RFC 9110 section 7.8). */
function offersProtocol(asked: RequestHead, head: ResponseHead): boolean {
  const chosen = head.value(UPGRADE)?.toLowerCase();
  const offered = asked.value(UPGRADE)?.toLowerCase().split(',') ?? [];
  return offered.some((protocol) => protocol.trim() === chosen);
}
