/**
 * Reads lists of names and values: queries and forms (application/x-www-form-urlencoded), cookies, and multipart/form-data (RFC 7578), of which
 * files are not looked into, only their names.
 *
 * Invariants: the number of fields is bounded; a field is decoded once, as servers do it; time is linear.
 */
import { classesOf, hexValue, indexOfByte } from '../character.ts';
import type { Place } from './hits.ts';
import { isDocument, type NestedJson } from './json.ts';
import { MOST_LOCATION_LENGTH } from './limits.ts';
import { Scratch } from './scratch.ts';
import type { ValueInspector } from './value.ts';

export type FieldProblem = '' | 'unparsable' | 'too-many-fields';

const AMPERSAND = 0x26;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;

export class FieldReader implements Place {
  /** Looked at since this was set to 0. */
  fields = 0;
  private readonly values: ValueInspector;
  private readonly nested: NestedJson;
  private readonly maxFields: number;
  private readonly nameScratch = new Scratch();
  private readonly valueScratch = new Scratch();
  private kind = '';
  private name: Uint8Array = new Uint8Array(0);
  private nameStart = 0;
  private nameEnd = 0;

  constructor(values: ValueInspector, nested: NestedJson, maxFields: number) {
    this.values = values;
    this.nested = nested;
    this.maxFields = maxFields;
  }

  location(): string {
    const end = Math.min(this.nameEnd, this.nameStart + MOST_LOCATION_LENGTH);
    const name = Buffer.from(this.name.subarray(this.nameStart, end)).toString('utf8');
    return name === ''
      ? this.kind
      : `${this.kind}.${name.replace(/[^\x21-\x7e]/g, '?')}`.slice(0, MOST_LOCATION_LENGTH);
  }

  /** `a=1&b=2`; `kind` is `query` or `form`. */
  readForm(text: Uint8Array, start: number, end: number, kind: string): FieldProblem {
    this.kind = kind;
    return this.readPairs(text, start, end, AMPERSAND, true);
  }

  /** `a=1; b=2` */
  readCookies(text: Uint8Array, start: number, end: number): FieldProblem {
    this.kind = 'cookie';
    return this.readPairs(text, start, end, SEMICOLON, false);
  }

  readMultipart(body: Uint8Array, boundary: string): FieldProblem {
    this.kind = 'form';
    const text = Buffer.from(body.buffer, body.byteOffset, body.length);
    const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
    if (boundary === '') return 'unparsable';
    // The first one may stand at the very begin.
    let at = text.indexOf(delimiter.subarray(2)) === 0 ? -2 : text.indexOf(delimiter);
    if (at === -1) return 'unparsable';
    for (;;) {
      const start = at + delimiter.length;
      const next = text.indexOf(delimiter, start);
      // Parts behind the end are what another parser might read.
      if (text[start] === 0x2d && text[start + 1] === 0x2d) return next === -1 ? '' : 'unparsable';
      if (next === -1) return 'unparsable';
      if (++this.fields > this.maxFields) return 'too-many-fields';
      if (!this.readPart(text, start, next)) return 'unparsable';
      at = next;
    }
  }

  private readPairs(
    text: Uint8Array,
    start: number,
    end: number,
    separator: number,
    hasPlus: boolean,
  ): FieldProblem {
    let at = start;
    while (at <= end) {
      while (separator === SEMICOLON && at < end && text[at] === 0x20) at++;
      let stop = indexOfByte(text, separator, at, end);
      if (stop === -1) stop = end;
      if (stop > at) {
        if (++this.fields > this.maxFields) return 'too-many-fields';
        const equals = indexOfByte(text, EQUALS, at, stop);
        this.readPair(
          text,
          at,
          equals === -1 ? stop : equals,
          equals === -1 ? stop : equals + 1,
          stop,
          hasPlus,
        );
      }
      at = stop + 1;
    }
    return '';
  }

  private readPair(
    text: Uint8Array,
    start: number,
    nameEnd: number,
    valueStart: number,
    end: number,
    hasPlus: boolean,
  ): void {
    const name = this.nameScratch.ofSize(nameEnd - start);
    this.setName(name, 0, decodeEscapes(text, start, nameEnd, name, hasPlus));
    const value = this.valueScratch.ofSize(end - valueStart);
    this.inspect(value, 0, decodeEscapes(text, valueStart, end, value, hasPlus));
  }

  private setName(name: Uint8Array, start: number, end: number): void {
    this.name = name;
    this.nameStart = start;
    this.nameEnd = end;
    this.values.inspectName(name, start, end, classesOf(name, start, end), this, true);
  }

  private inspect(value: Uint8Array, start: number, end: number): void {
    this.values.inspect(value, start, end, classesOf(value, start, end), this);
    if (isDocument(value, start, end)) this.nested.inspectNested(value, start, end, this);
  }

  /** Between two delimiters: line end, fields, empty line, content. */
  private readPart(text: Buffer, start: number, end: number): boolean {
    const head = indexOfBlankLine(text, start, end);
    if (head === -1) return false;
    const content = head + 4;
    const fields = text.toString('latin1', start, head);
    const disposition = /^content-disposition:([^\r\n]*)/im.exec(fields)?.[1] ?? '';
    const name = parameterOf(disposition, 'name');
    const file = parameterOf(disposition, 'filename') ?? parameterOf(disposition, 'filename*');
    const nameBytes = Buffer.from(name ?? '', 'latin1');
    this.setName(nameBytes, 0, nameBytes.length);
    if (file === null) {
      this.inspect(text, Math.min(content, end), end);
    } else {
      const fileBytes = Buffer.from(file, 'latin1');
      this.inspect(fileBytes, 0, fileBytes.length);
    }
    return name !== null;
  }
}

/** Within `text[start, end)`; the line end of the delimiter behind it can be its second half. */
function indexOfBlankLine(text: Uint8Array, start: number, end: number): number {
  for (let at = start; at + 2 <= end; at++) {
    if (text[at] === 0x0d && text[at + 1] === 0x0a && text[at + 2] === 0x0d && text[at + 3] === 0x0a)
      return at;
  }
  return -1;
}

/** Of `form-data; name="a"; filename="b"`; null if it is not there. */
function parameterOf(field: string, name: string): string | null {
  const lower = field.toLowerCase();
  for (let at = lower.indexOf(`${name}=`); at !== -1; at = lower.indexOf(`${name}=`, at + 1)) {
    const before = lower[at - 1];
    if (before !== ' ' && before !== ';' && before !== '\t') continue;
    const start = at + name.length + 1;
    if (field[start] !== '"') return /^[^;\s]*/.exec(field.slice(start))?.[0] ?? '';
    let end = start + 1;
    while (end < field.length && field[end] !== '"') end += field[end] === '\\' ? 2 : 1;
    return field.slice(start + 1, end).replace(/\\(.)/g, '$1');
  }
  return null;
}

/** Undoes percent escapes, and `+` for spaces. Returns the length. */
function decodeEscapes(
  text: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  hasPlus: boolean,
): number {
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = text[at] as number;
    if (byte === 0x25 && at + 2 < end) {
      const high = hexValue(text[at + 1] as number);
      const low = hexValue(text[at + 2] as number);
      if (high !== -1 && low !== -1) {
        out[length++] = high * 16 + low;
        at += 2;
        continue;
      }
    }
    out[length++] = byte === 0x2b && hasPlus ? 0x20 : byte;
  }
  return length;
}
