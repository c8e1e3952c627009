/**
 * Hands the body of a request to an inspector as what it is: codings undone, by its content type.
 *
 * Invariants
 * - A body is read as what it says it is, since that is what its recipient does. One that is JSON is read as JSON whatever it says: many
 *   recipients don't look at types. What is neither known nor JSON is read as a form, of which a text is the simplest.
 * - A charset in which bytes of ASCII may mean something else is read in one way only or not at all.
 * - Only a body that is no text at all passes unread, and is reported as such.
 */
import { isUtf8 } from 'node:buffer';
import type { RequestHead } from '../../protocol/head.ts';
import type { WafBodySpec } from './config.ts';
import { decodeBody, readCodings } from './content-encoding.ts';
import { type ContentType, readContentType } from './content-type.ts';
import type { InspectionProblem, Inspector } from './inspector.ts';

/** How far a body was looked at. */
export type BodyReading =
  | 'whole'
  /** Its beginning, or so many of its values. */
  | 'prefix'
  /** It is no text. */
  | 'binary'
  /** Nothing of it could be looked at. */
  | 'oversize'
  | 'unparsable';

const LINE_FEED = 0x0a;
const NUL = 0;
/** Of these, bytes of ASCII are ASCII. */
const PLAIN_CHARSET = /^(utf-?8|(us-)?ascii|latin1|iso-8859-\d+|windows-125\d)?$/;
/** Nothing in these can be read as ASCII, too. */
const WIDE_CHARSET = /^utf-16(le|be)?$/;
const SPACE = 0x20;
const BYTE_ORDER_MARK = Buffer.from('\uFEFF');
const OPENERS = Buffer.from('{[');
const BACKSLASH = 0x5c;
/** `\\uD83D`. */
const LONGEST_ESCAPE = 6;
const QUOTE = Buffer.from('"');

/** `whole` is false when `body` is only its beginning. */
export function readBody(
  request: RequestHead,
  body: Buffer,
  whole: boolean,
  inspector: Inspector,
  spec: WafBodySpec,
): BodyReading {
  if (body.length === 0) return 'whole';
  const codings = readCodings(request);
  if (codings === null) return 'unparsable';
  // Half of what is coded can't be read by itself.
  if (codings.length > 0 && !whole) return 'oversize';
  const decoded = decodeBody(body, codings, spec.maxInflatedBytes);
  if (typeof decoded === 'string') return decoded;
  return inspect(decoded, readContentType(request), whole, inspector);
}

function inspect(body: Buffer, type: ContentType, whole: boolean, inspector: Inspector): BodyReading {
  const { kind } = type;
  const text = kind === 'malformed' ? null : inUtf8(body, type);
  if (text === null) return 'unparsable';
  if (kind === 'json') inspector.json(whole ? text : closeString(text));
  else if (kind === 'json-lines')
    for (const line of linesOf(whole ? text : closeString(text))) inspector.json(line);
  else if (!inspectOther(text, type, whole, inspector)) return 'binary';
  return readingOf(inspector.problem, whole);
}

/** False when it is no text. */
function inspectOther(
  text: Buffer,
  { kind, boundary }: ContentType,
  whole: boolean,
  inspector: Inspector,
): boolean {
  const isDocument = looksLikeJson(text) && (!whole || isJson(text));
  if (isDocument) inspector.json(whole ? text : closeString(text));
  if (kind === 'multipart') inspector.multipart(whole ? text : closePart(text, boundary), boundary);
  else if (kind === 'unknown' && !isDocument && isBinary(text, whole)) return false;
  else if (kind === 'form' || !isDocument || !whole) inspector.form(text);
  return true;
}

/** Of JSON that was cut: ends the string that it was cut in, so that what is there of it is looked at. */
function closeString(body: Buffer): Buffer {
  // Half an escape would make the value none, and a backslash the quote a part of it.
  const last = body.lastIndexOf(BACKSLASH);
  let end = last !== -1 && last >= body.length - LONGEST_ESCAPE ? last : body.length;
  while (end > 0 && body[end - 1] === BACKSLASH) end--;
  return Buffer.concat([body.subarray(0, end), QUOTE]);
}

/** The same for a part of multipart. */
function closePart(body: Buffer, boundary: string): Buffer {
  return Buffer.concat([body, Buffer.from(`\r\n--${boundary}--`, 'latin1')]);
}

/** `whole`: there is nothing behind what was inspected. */
export function readingOf(problem: InspectionProblem, whole: boolean): BodyReading {
  if (problem === 'too-many-fields') return 'prefix';
  // The beginning of something is not well-formed by itself.
  if (problem === 'too-deep' || (problem !== '' && whole)) return 'unparsable';
  return whole ? 'whole' : 'prefix';
}

function looksLikeJson(body: Buffer): boolean {
  let at = body.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0;
  while (at < body.length && (body[at] as number) <= SPACE) at++;
  return at < body.length && OPENERS.includes(body[at] as number);
}

/** The beginning of a text may end within a character. */
function isBinary(body: Buffer, whole: boolean): boolean {
  return body.includes(NUL) || (whole && !isUtf8(body));
}

function isJson(body: Buffer): boolean {
  try {
    JSON.parse(body.toString().replace(/^\uFEFF/, ''));
    return true;
  } catch {
    return false;
  }
}

function* linesOf(body: Buffer): Iterable<Buffer> {
  for (let at = 0; at < body.length; ) {
    const found = body.indexOf(LINE_FEED, at);
    const end = found === -1 ? body.length : found;
    if (end > at) yield body.subarray(at, end);
    at = end + 1;
  }
}

/** Null for a charset that is not read. */
function inUtf8(body: Buffer, { kind, charset }: ContentType): Buffer | null {
  if (PLAIN_CHARSET.test(charset)) return body;
  const isDocument = kind === 'json' || kind === 'json-lines';
  return isDocument && WIDE_CHARSET.test(charset) ? Buffer.from(new TextDecoder(charset).decode(body)) : null;
}
