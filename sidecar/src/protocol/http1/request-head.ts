/**
 * Request heads of HTTP/1.1: the request line, the checks that make a request unambiguous, and the rewriting of absolute-form.
 *
 * Invariants: a head that passes has one meaning for every conforming recipient; the path that policy sees is, byte for byte, the
 * path that is forwarded. Nothing is normalised.
 */
import { Failure } from '../../core/failure.ts';
import { LIMITS } from '../../core/limits.ts';
import { fieldId } from '../field-names.ts';
import { BODY_NONE, type RequestHead } from '../head.ts';
import { equalsBytes, noteMethod } from '../method.ts';
import { isAuthority, sameAuthority } from './authority.ts';
import { CLASS, CR, LF, SP, skipTarget, TOKEN } from './bytes.ts';
import {
  FRAMING_AMBIGUOUS,
  FRAMING_OK,
  FRAMING_TWO_HOSTS,
  FRAMING_UNSUPPORTED_CODING,
  found,
  readFraming,
} from './framing.ts';
import { equalsWord, INCOMPLETE, scanFields, TOO_LARGE } from './scan.ts';

const HOST = fieldId('host');
const UPGRADE = fieldId('upgrade');
const EXPECT = fieldId('expect');

const METHOD_BYTES = 32;
/** ` HTTP/1.1\r\n` */
const VERSION_BYTES = 11;
const VERSION = Buffer.from('HTTP/');
const WORD_HTTP = Buffer.from('http://');
const WORD_HTTPS = Buffer.from('https://');
const WORD_H2C = Buffer.from('h2c');
const WORD_CONTINUE = Buffer.from('100-continue');
const METHOD_OPTIONS = Buffer.from('OPTIONS');
const METHOD_CONNECT = Buffer.from('CONNECT');
const TE_LINE = Buffer.from('te: trailers\r\n');
const CONNECTION_TE_LINE = Buffer.from('connection: te\r\n');
const UPGRADE_LINE = Buffer.from('connection: upgrade\r\n');

/**
 * Scans a request head in `bytes[base, end)`. Returns its length when it is complete, sound and adopted by `head`; INCOMPLETE when
 * more bytes are needed (call again with the same head and all bytes since `base`); minus the code of a failure otherwise.
 */
export function scanRequestHead(head: RequestHead, bytes: Uint8Array, base: number, end: number): number {
  if (head.fieldsStart === 0) {
    const result = scanRequestLine(head, bytes, base, end);
    if (result <= 0) return result;
    head.fieldsStart = result;
    head.length = result;
  }
  const consumed = scanFields(head, bytes, base, end);
  if (consumed > LIMITS.headBytes || (consumed === INCOMPLETE && end - base > LIMITS.headBytes)) {
    return -Failure.headTooLarge.code;
  }
  if (consumed === INCOMPLETE) return INCOMPLETE;
  if (consumed < 0) {
    return consumed === TOO_LARGE ? -Failure.headTooLarge.code : -Failure.malformedRequest.code;
  }
  head.adopt(bytes, base, head.length);
  const failure = checkRequest(head);
  return failure === 0 ? consumed : -failure;
}

function scanRequestLine(head: RequestHead, bytes: Uint8Array, base: number, end: number): number {
  let at = base;
  while (at < end && ((CLASS[bytes[at] as number] as number) & TOKEN) !== 0) at++;
  if (at - base > METHOD_BYTES) return -Failure.malformedRequest.code;
  if (at === end) return INCOMPLETE;
  if (at === base || bytes[at] !== SP) return -Failure.malformedRequest.code;
  head.methodEnd = at - base;
  const targetStart = ++at;
  at = skipTarget(bytes, targetStart, end);
  if (at - targetStart > LIMITS.targetBytes) return -Failure.targetTooLong.code;
  if (at === end) return INCOMPLETE;
  if (at === targetStart || bytes[at] !== SP) return -Failure.malformedRequest.code;
  head.pathStart = targetStart - base;
  head.pathEnd = at - base;
  return scanVersion(head, bytes, base, at + 1, end);
}

function scanVersion(head: RequestHead, bytes: Uint8Array, base: number, start: number, end: number): number {
  for (let i = 0; i < VERSION.length; i++) {
    if (start + i >= end) return INCOMPLETE;
    if (bytes[start + i] !== VERSION[i]) return -Failure.malformedRequest.code;
  }
  if (end - start < VERSION_BYTES - 1) return INCOMPLETE;
  const major = (bytes[start + 5] as number) - 0x30;
  const minor = (bytes[start + 7] as number) - 0x30;
  const wellFormed =
    major >= 0 &&
    major <= 9 &&
    bytes[start + 6] === 0x2e &&
    minor >= 0 &&
    minor <= 9 &&
    bytes[start + 8] === CR &&
    bytes[start + 9] === LF;
  if (!wellFormed) return -Failure.malformedRequest.code;
  if (major !== 1) return -Failure.unsupportedVersion.code;
  // A higher minor version is processed as the highest one known (RFC 9110 section 2.5).
  head.minorVersion = minor === 0 ? 0 : 1;
  return start + VERSION_BYTES - 1 - base;
}

/** Checks what the scanned lines mean together. Returns 0 or the code of a failure. */
function checkRequest(head: RequestHead): number {
  noteMethod(head);
  const framing = readFraming(head);
  if (framing !== FRAMING_OK) {
    if (framing === FRAMING_AMBIGUOUS) return Failure.ambiguousFraming.code;
    if (framing === FRAMING_TWO_HOSTS) return Failure.invalidHost.code;
    if (framing === FRAMING_UNSUPPORTED_CODING) return Failure.unsupportedCoding.code;
    return Failure.malformedRequest.code;
  }
  const { bytes } = head;
  // This hop speaks 1.1, whatever it was spoken to in.
  bytes[head.fieldsStart - 3] = 0x31;

  const hostRow = head.firstRow[HOST] as number;
  if (hostRow === -1) {
    if (head.minorVersion === 1) return Failure.invalidHost.code;
  } else {
    head.authorityStart = head.valueStart(hostRow);
    head.authorityEnd = head.valueEnd(hostRow);
    if (!isAuthority(bytes, head.authorityStart, head.authorityEnd)) return Failure.invalidHost.code;
  }

  const failure = checkTarget(head);
  return failure === 0 ? checkNegotiation(head) : failure;
}

function checkTarget(head: RequestHead): number {
  const { bytes } = head;
  if (equalsBytes(bytes, head.start, head.methodEnd, METHOD_CONNECT)) return Failure.unsupportedMethod.code;
  const first = bytes[head.pathStart];
  if (first === 0x2f) {
    // origin-form
  } else if (first === 0x2a && head.pathEnd - head.pathStart === 1) {
    if (!equalsBytes(bytes, head.start, head.methodEnd, METHOD_OPTIONS)) return Failure.malformedRequest.code;
  } else {
    const failure = rewriteAbsoluteForm(head);
    if (failure !== 0) return failure;
  }
  const query = bytes.indexOf(0x3f, head.pathStart);
  head.queryStart = query === -1 || query >= head.pathEnd ? head.pathEnd : query + 1;
  return 0;
}

/**
 * `GET http://host/path` becomes `GET /path`, right-aligned so that the field lines stay where they are (RFC 9112 section 3.2.2;
 * an authority that differs from Host is refused rather than trusted, since the two are what policies are tricked with).
 */
function rewriteAbsoluteForm(head: RequestHead): number {
  const { bytes } = head;
  const target = head.pathStart;
  let scheme = 0;
  if (equalsWord(bytes, target, target + WORD_HTTP.length, WORD_HTTP)) scheme = WORD_HTTP.length;
  else if (equalsWord(bytes, target, target + WORD_HTTPS.length, WORD_HTTPS)) scheme = WORD_HTTPS.length;
  else return Failure.malformedRequest.code;
  // What was to be secret all the way is not any more (RFC 9110 section 7.4).
  if (scheme === WORD_HTTPS.length && !head.encrypted) return Failure.misdirectedRequest.code;

  const authorityStart = target + scheme;
  let authorityEnd = authorityStart;
  while (authorityEnd < head.pathEnd && bytes[authorityEnd] !== 0x2f && bytes[authorityEnd] !== 0x3f) {
    authorityEnd++;
  }
  if (!isAuthority(bytes, authorityStart, authorityEnd)) return Failure.invalidHost.code;
  if (!sameAuthority(bytes, authorityStart, authorityEnd, head.authorityStart, head.authorityEnd, scheme)) {
    return Failure.invalidHost.code;
  }

  let pathStart = authorityEnd;
  const isOptions = equalsBytes(bytes, head.start, head.methodEnd, METHOD_OPTIONS);
  if (pathStart === head.pathEnd) bytes[--pathStart] = isOptions ? 0x2a : 0x2f;
  else if (bytes[pathStart] === 0x3f) bytes[--pathStart] = 0x2f;
  const methodLength = head.methodEnd;
  head.start = pathStart - 1 - methodLength;
  head.methodEnd = head.start + methodLength;
  bytes.copyWithin(head.start, 0, methodLength);
  bytes[head.methodEnd] = SP;
  head.pathStart = pathStart;
  return 0;
}

/** Upgrade, Expect and TE: what the client wants from this hop, and what is passed on of it. */
function checkNegotiation(head: RequestHead): number {
  const upgradeRow = head.firstRow[UPGRADE] as number;
  if (upgradeRow !== -1) {
    // h2c by upgrade would carry requests past every policy of this hop.
    const isH2c = equalsWord(head.bytes, head.valueStart(upgradeRow), head.valueEnd(upgradeRow), WORD_H2C);
    head.wantsUpgrade =
      found.upgradeNominated && head.minorVersion === 1 && head.bodyKind === BODY_NONE && !isH2c;
    if (head.wantsUpgrade) head.addLine(UPGRADE_LINE, 10);
    else head.drop(UPGRADE);
  }
  if (found.wantsTrailers && !head.wantsUpgrade) {
    head.addLine(TE_LINE, 2);
    head.addLine(CONNECTION_TE_LINE, 10);
  }
  const expectRow = head.firstRow[EXPECT] as number;
  if (expectRow !== -1) {
    if (!equalsWord(head.bytes, head.valueStart(expectRow), head.valueEnd(expectRow), WORD_CONTINUE)) {
      return Failure.unsupportedExpectation.code;
    }
    head.expectsContinue = head.minorVersion === 1 && head.bodyKind !== BODY_NONE;
    if (!head.expectsContinue) head.drop(EXPECT);
  }
  return 0;
}
