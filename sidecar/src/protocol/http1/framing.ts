/**
 * Where a body ends and which fields end at this hop (RFC 9112 section 6, RFC 9110 section 7.6.1).
 *
 * Invariants: what is ambiguous is refused, never repaired. After `readFraming` the head holds no field that belonged to the
 * connection it came from, except the framing itself, which is valid for the next hop as it stands.
 */
import { readContentLength } from '../content-length.ts';
import { fieldId, OTHER_FIELD } from '../field-names.ts';
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, type Head } from '../head.ts';
import { CLASS, HTAB, SP, TOKEN } from './bytes.ts';
import { equalsWord } from './scan.ts';

const CONNECTION = fieldId('connection');
const CONTENT_LENGTH = fieldId('content-length');
const TRANSFER_ENCODING = fieldId('transfer-encoding');
const HOST = fieldId('host');
const TE = fieldId('te');
const KEEP_ALIVE = fieldId('keep-alive');
const PROXY_CONNECTION = fieldId('proxy-connection');
const PROXY_AUTHORIZATION = fieldId('proxy-authorization');
const PROXY_AUTHENTICATE = fieldId('proxy-authenticate');
const HTTP2_SETTINGS = fieldId('http2-settings');

const WORD_CHUNKED = Buffer.from('chunked');
const WORD_CLOSE = Buffer.from('close');
const WORD_KEEP_ALIVE = Buffer.from('keep-alive');
const WORD_UPGRADE = Buffer.from('upgrade');
const WORD_TRAILERS = Buffer.from('trailers');

/** Results of `readFraming`. */
export const FRAMING_OK = 0;
export const FRAMING_AMBIGUOUS = 1;
export const FRAMING_UNSUPPORTED_CODING = 2;
export const FRAMING_MALFORMED = 3;
export const FRAMING_TWO_HOSTS = 4;

/** Findings of the last `readFraming`, beside the head's own fields. */
export const found = { upgradeNominated: false, wantsTrailers: false };

/** Reads the framing, connection options and hop-by-hop fields of a scanned head, and drops the latter. */
export function readFraming(head: Head): number {
  let lengthRow = -1;
  let codingRow = -1;
  let hosts = 0;
  let nominates = false;
  let closes = false;
  let keepsAlive = false;
  found.upgradeNominated = false;
  found.wantsTrailers = false;

  for (let row = 0; row < head.rows; row++) {
    switch (head.ids[row]) {
      case OTHER_FIELD:
        break;
      case HOST:
        if (++hosts > 1) return FRAMING_TWO_HOSTS;
        break;
      case CONTENT_LENGTH:
        if (lengthRow !== -1) return FRAMING_AMBIGUOUS;
        lengthRow = row;
        break;
      case TRANSFER_ENCODING:
        if (codingRow !== -1) return FRAMING_AMBIGUOUS;
        codingRow = row;
        break;
      case CONNECTION: {
        const { bytes } = head;
        const start = head.valueStart(row);
        const end = head.valueEnd(row);
        if (equalsWord(bytes, start, end, WORD_KEEP_ALIVE)) keepsAlive = true;
        else if (equalsWord(bytes, start, end, WORD_CLOSE)) closes = true;
        else nominates = true;
        head.dropRow(row);
        break;
      }
      case TE:
        if (equalsWord(head.bytes, head.valueStart(row), head.valueEnd(row), WORD_TRAILERS)) {
          found.wantsTrailers = true;
        }
        head.drop(TE);
        break;
      case KEEP_ALIVE:
      case PROXY_CONNECTION:
      case PROXY_AUTHORIZATION:
      case PROXY_AUTHENTICATE:
      case HTTP2_SETTINGS:
        head.dropRow(row);
        break;
    }
  }

  if (nominates) {
    // Rare, so a second pass: every option of every Connection field, the simple ones included.
    for (let row = 0; row < head.rows; row++) {
      if (head.ids[row] !== CONNECTION) continue;
      const result = readConnectionOptions(head, row);
      if (result < 0) return FRAMING_MALFORMED;
      if ((result & OPTION_CLOSE) !== 0) closes = true;
      if ((result & OPTION_KEEP_ALIVE) !== 0) keepsAlive = true;
      if ((result & OPTION_UPGRADE) !== 0) found.upgradeNominated = true;
    }
  }
  head.keepAlive = !closes && (head.minorVersion === 1 || keepsAlive);

  if (codingRow !== -1) {
    if (lengthRow !== -1 || head.minorVersion === 0) return FRAMING_AMBIGUOUS;
    const coding = readCoding(head, codingRow);
    if (coding !== FRAMING_OK) return coding;
    head.bodyKind = BODY_CHUNKED;
  } else if (lengthRow !== -1) {
    const length = readContentLength(head.bytes, head.valueStart(lengthRow), head.valueEnd(lengthRow));
    if (length === -1) return FRAMING_AMBIGUOUS;
    head.contentLength = length;
    head.bodyKind = length === 0 ? BODY_NONE : BODY_LENGTH;
  }
  return FRAMING_OK;
}

const OPTION_CLOSE = 1;
const OPTION_KEEP_ALIVE = 2;
const OPTION_UPGRADE = 4;

/** Reads one Connection field; drops the fields that it nominates. Returns a bit set of options, or -1. */
function readConnectionOptions(head: Head, row: number): number {
  const { bytes } = head;
  const end = head.valueEnd(row);
  let options = 0;
  let at = head.valueStart(row);
  while (at < end) {
    while (at < end && (bytes[at] === SP || bytes[at] === HTAB || bytes[at] === 0x2c)) at++;
    const start = at;
    while (at < end && ((CLASS[bytes[at] as number] as number) & TOKEN) !== 0) at++;
    const tokenEnd = at;
    while (at < end && (bytes[at] === SP || bytes[at] === HTAB)) at++;
    if (at < end && bytes[at] !== 0x2c) return -1;
    if (tokenEnd === start) continue;
    if (equalsWord(bytes, start, tokenEnd, WORD_CLOSE)) options |= OPTION_CLOSE;
    else if (equalsWord(bytes, start, tokenEnd, WORD_KEEP_ALIVE)) options |= OPTION_KEEP_ALIVE;
    else if (equalsWord(bytes, start, tokenEnd, WORD_UPGRADE)) options |= OPTION_UPGRADE;
    else if (!dropNominated(head, start, tokenEnd)) return -1;
  }
  return options;
}

/** False when the nominated field must not be taken away: dropping it would change what the message means. */
function dropNominated(head: Head, start: number, end: number): boolean {
  const word = Buffer.from(head.bytes.toString('latin1', start, end).toLowerCase(), 'latin1');
  for (let row = 0; row < head.rows; row++) {
    if (!equalsWord(head.bytes, head.lineStart(row), head.nameEnd(row), word)) continue;
    const id = head.ids[row] as number;
    if (id === HOST || id === CONTENT_LENGTH || id === TRANSFER_ENCODING) return false;
    if (id !== OTHER_FIELD) head.firstRow[id] = -1;
    head.dropRow(row);
  }
  return true;
}

/** Only `chunked` is forwarded. A list of valid codings that ends in one `chunked` is understood but not supported. */
function readCoding(head: Head, row: number): number {
  const { bytes } = head;
  const start = head.valueStart(row);
  const end = head.valueEnd(row);
  if (equalsWord(bytes, start, end, WORD_CHUNKED)) return FRAMING_OK;
  const codings = bytes.toString('latin1', start, end).toLowerCase().split(',');
  const names = codings.map((coding) => coding.replace(/^[ \t]+|[ \t]+$/g, ''));
  const wellFormed = names.every((name) => /^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name));
  const onlyLastIsChunked = names.indexOf('chunked') === names.length - 1;
  return wellFormed && onlyLastIsChunked ? FRAMING_UNSUPPORTED_CODING : FRAMING_AMBIGUOUS;
}
