/**
 * Hands the body of a request to an inspector as what it is: codings undone, in UTF-8, by its content type.
 *
 * Invariants
 * - A body is read as what it says it is, since that is what its recipient does. One that says nothing, or only that it is text, is read as
 *   JSON if it is that, and as a form or text otherwise: recipients that don't look at types take it for what they want.
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
/** Of these, ASCII is ASCII, and the inspector knows what else can be in bytes. */
const PLAIN_CHARSETS = new Set(['', 'utf-8', 'utf8', 'us-ascii', 'ascii', 'iso-8859-1', 'latin1']);
const JSON_BEGIN = /^[\s\uFEFF]*[[{]/;
/** As much as may stand before the first bracket. */
const SNIFFED_BYTES = 512;

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
  const type = readContentType(request);
  const text = inUtf8(decoded, type.charset);
  if (text === null) return 'unparsable';
  return inspect(text, type, whole, inspector);
}

function inspect(
  body: Buffer,
  { kind, boundary }: ContentType,
  whole: boolean,
  inspector: Inspector,
): BodyReading {
  switch (kind) {
    case 'json':
      inspector.json(body);
      break;
    case 'json-lines':
      for (const line of linesOf(body)) inspector.json(line);
      break;
    case 'form':
      inspector.form(body);
      break;
    case 'multipart':
      inspector.multipart(body, boundary);
      break;
    case 'malformed':
      return 'unparsable';
    default:
      if (kind === 'unknown' && (body.includes(NUL) || (whole && !isUtf8(body)))) return 'binary';
      inspectText(body, whole, inspector);
  }
  return readingOf(inspector.problem, whole);
}

/** `whole`: there is nothing behind what was inspected. */
export function readingOf(problem: InspectionProblem, whole: boolean): BodyReading {
  if (problem === 'too-many-fields') return 'prefix';
  // The beginning of something is not well-formed by itself.
  if (problem === 'too-deep' || (problem !== '' && whole)) return 'unparsable';
  return whole ? 'whole' : 'prefix';
}

function inspectText(body: Buffer, whole: boolean, inspector: Inspector): void {
  const looksLikeJson = JSON_BEGIN.test(body.toString('latin1', 0, SNIFFED_BYTES));
  if (looksLikeJson && (!whole || isJson(body))) inspector.json(body);
  else inspector.form(body);
}

function isJson(body: Buffer): boolean {
  try {
    JSON.parse(body.toString());
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

/** Null for a charset that nobody knows. */
function inUtf8(body: Buffer, charset: string): Buffer | null {
  if (PLAIN_CHARSETS.has(charset)) return body;
  try {
    return Buffer.from(new TextDecoder(charset).decode(body));
  } catch {
    return null;
  }
}
