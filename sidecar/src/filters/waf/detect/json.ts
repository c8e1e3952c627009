/**
 * Walks JSON (RFC 8259) as bytes, and shows every name and every text in it to the inspection of values. Nothing becomes a string, and what is
 * no text costs one look at each byte.
 *
 * Invariants: depth and number of values are bounded; every byte is read once (texts with something in them again by the detectors); what
 * JSON.parse refuses is refused here, so that nobody reads a body that was not looked at. A byte order mark is skipped.
 */
import { CLASS, classesOf, isDigit } from '../character.ts';
import { Rules } from '../rules.ts';
import type { Place } from './hits.ts';
import { escapeLength, unescapeText } from './json-text.ts';
import { KeySet } from './key-set.ts';
import { MOST_LOCATION_LENGTH } from './limits.ts';
import { isConstructor, isPrototype } from './nosql.ts';
import { Scratch } from './scratch.ts';
import type { ValueInspector } from './value.ts';

export type JsonProblem = '' | 'unparsable' | 'too-deep' | 'too-many-fields';

export interface JsonBounds {
  readonly maxDepth: number;
  readonly maxFields: number;
}

/** Looks for JSON in a text of JSON, and elsewhere. */
export interface NestedJson {
  inspectNested(text: Uint8Array, start: number, end: number, place: Place): void;
}

export class JsonWalker implements Place {
  /** Values looked at since this was set to 0. */
  fields = 0;
  private readonly values: ValueInspector;
  private readonly nested: NestedJson | null;
  private readonly bounds: JsonBounds;
  private readonly keys: KeySet;
  private readonly scratch = new Scratch();
  private readonly isObject: Uint8Array;
  private readonly keyStarts: Uint32Array;
  private readonly keyEnds: Uint32Array;
  private text: Uint8Array = new Uint8Array(0);
  private end = 0;
  private at = 0;
  private depth = 0;
  private problem: JsonProblem = '';
  private outer: Place | null = null;
  /** Of the string that was read last. */
  private hasEscapes = false;

  constructor(values: ValueInspector, nested: NestedJson | null, bounds: JsonBounds) {
    this.values = values;
    this.nested = nested;
    this.bounds = bounds;
    this.keys = new KeySet();
    this.isObject = new Uint8Array(bounds.maxDepth + 1);
    this.keyStarts = new Uint32Array(bounds.maxDepth + 1);
    this.keyEnds = new Uint32Array(bounds.maxDepth + 1);
  }

  /** `outer`: where the document is, if that is not the body. */
  walk(text: Uint8Array, start: number, end: number, outer: Place | null): JsonProblem {
    this.text = text;
    this.end = end;
    this.at = start;
    this.depth = 0;
    this.problem = '';
    this.outer = outer;
    this.keys.clear();
    if (text[start] === 0xef && text[start + 1] === 0xbb && text[start + 2] === 0xbf) this.at += 3;
    this.readDocument();
    return this.problem;
  }

  location(): string {
    let location = this.outer === null ? 'json' : this.outer.location();
    for (let level = 1; level <= this.depth && location.length < MOST_LOCATION_LENGTH; level++) {
      location += this.isObject[level] === 1 ? `.${this.keyAt(level)}` : '[]';
    }
    return location.slice(0, MOST_LOCATION_LENGTH);
  }

  /** Without the signs of paths, so that no name looks like a place for which there is an exception. */
  private keyAt(level: number): string {
    const start = this.keyStarts[level] as number;
    const end = Math.min(this.keyEnds[level] as number, start + MOST_LOCATION_LENGTH);
    return Buffer.from(this.text.subarray(start, end))
      .toString('utf8')
      .replace(/[^!-~]|[.[\]]/g, '?');
  }

  private readDocument(): void {
    if (!this.readValue()) return;
    while (this.depth > 0) {
      if (!this.readNext()) return;
    }
    if (this.skipSpace() !== -1) this.fail('unparsable');
  }

  /** Behind a value: the next one of what it is in, or the end of that. */
  private readNext(): boolean {
    const byte = this.skipSpace();
    const isObject = this.isObject[this.depth] === 1;
    this.at++;
    if (byte === (isObject ? 0x7d : 0x5d)) {
      this.depth--;
      return true;
    }
    if (byte !== 0x2c) return this.fail('unparsable');
    return isObject ? this.readMember() : this.readValue();
  }

  private readMember(): boolean {
    if (this.skipSpace() !== 0x22) return this.fail('unparsable');
    if (!this.readKey()) return false;
    if (this.skipSpace() !== 0x3a) return this.fail('unparsable');
    this.at++;
    return this.readValue();
  }

  private readValue(): boolean {
    if (++this.fields > this.bounds.maxFields) return this.fail('too-many-fields');
    const byte = this.skipSpace();
    switch (byte) {
      case 0x22:
        return this.readText();
      case 0x7b:
      case 0x5b:
        return this.enter(byte === 0x7b);
      case 0x74:
        return this.readLiteral(TRUE);
      case 0x66:
        return this.readLiteral(FALSE);
      case 0x6e:
        return this.readLiteral(NULL);
      default:
        return this.readNumber();
    }
  }

  private enter(isObject: boolean): boolean {
    this.at++;
    if (this.depth === this.bounds.maxDepth) return this.fail('too-deep');
    this.depth++;
    this.isObject[this.depth] = isObject ? 1 : 0;
    this.keyStarts[this.depth] = 0;
    this.keyEnds[this.depth] = 0;
    if (isObject) this.keys.enter(this.depth);
    if (this.skipSpace() === (isObject ? 0x7d : 0x5d)) {
      this.at++;
      this.depth--;
      return true;
    }
    return isObject ? this.readMember() : this.readValue();
  }

  private readKey(): boolean {
    const start = this.at + 1;
    const classes = this.skipString();
    if (classes === -1) return false;
    const end = this.at - 1;
    this.keyStarts[this.depth] = start;
    this.keyEnds[this.depth] = end;
    let key = this.text;
    let from = start;
    let to = end;
    if (this.hasEscapes) {
      key = this.scratch.ofSize(end - start);
      from = 0;
      to = unescapeText(this.text, start, end, key);
    }
    if (this.keys.add(key, from, to, this.depth)) this.values.report(Rules.duplicateKey, key, from, to, this);
    if (isPrototype(key, from, to) && this.isWithinConstructor())
      this.values.report(Rules.prototypeKey, key, from, to, this);
    this.values.inspectName(key, from, to, this.hasEscapes ? classesOf(key, from, to) : classes, this, false);
    return true;
  }

  private isWithinConstructor(): boolean {
    const level = this.depth - 1;
    return (
      level > 0 &&
      this.isObject[level] === 1 &&
      isConstructor(this.text, this.keyStarts[level] as number, this.keyEnds[level] as number)
    );
  }

  private readText(): boolean {
    const start = this.at + 1;
    const classes = this.skipString();
    if (classes === -1) return false;
    const end = this.at - 1;
    if (!this.hasEscapes) {
      this.inspectText(this.text, start, end, classes);
    } else {
      const text = this.scratch.ofSize(end - start);
      const length = unescapeText(this.text, start, end, text);
      this.inspectText(text, 0, length, classesOf(text, 0, length));
    }
    return true;
  }

  private inspectText(text: Uint8Array, start: number, end: number, classes: number): void {
    this.values.inspect(text, start, end, classes, this);
    if (this.nested !== null && isDocument(text, start, end))
      this.nested.inspectNested(text, start, end, this);
  }

  /** To behind the closing quote. Returns the classes of the bytes, or -1. */
  private skipString(): number {
    const { text, end } = this;
    let classes = 0;
    let at = this.at + 1;
    this.hasEscapes = false;
    while (at < end) {
      const byte = text[at] as number;
      if (byte === 0x22) {
        this.at = at + 1;
        return classes;
      }
      if (byte === 0x5c) {
        this.hasEscapes = true;
        const length = escapeLength(text, at, end);
        if (length === 0) break;
        at += length;
        continue;
      }
      if (byte < 0x20) break;
      classes |= CLASS[byte] as number;
      at++;
    }
    this.fail('unparsable');
    return -1;
  }

  private readLiteral(word: Uint8Array): boolean {
    for (let i = 0; i < word.length; i++) {
      if (this.at + i >= this.end || this.text[this.at + i] !== word[i]) return this.fail('unparsable');
    }
    this.at += word.length;
    return true;
  }

  private readNumber(): boolean {
    if (this.byteAt(this.at) === 0x2d) this.at++;
    const first = this.byteAt(this.at);
    if (first === 0x30) this.at++;
    else if (!this.skipDigits()) return this.fail('unparsable');
    if (this.byteAt(this.at) === 0x2e) {
      this.at++;
      if (!this.skipDigits()) return this.fail('unparsable');
    }
    if ((this.byteAt(this.at) | 0x20) === 0x65) {
      this.at++;
      const sign = this.byteAt(this.at);
      if (sign === 0x2b || sign === 0x2d) this.at++;
      if (!this.skipDigits()) return this.fail('unparsable');
    }
    return true;
  }

  private skipDigits(): boolean {
    const start = this.at;
    while (isDigit(this.byteAt(this.at))) this.at++;
    return this.at > start;
  }

  private byteAt(at: number): number {
    return at < this.end ? (this.text[at] as number) : 0;
  }

  /** The next byte that is no space; -1 at the end. */
  private skipSpace(): number {
    const { text, end } = this;
    while (this.at < end) {
      const byte = text[this.at] as number;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
      this.at++;
    }
    return -1;
  }

  private fail(problem: JsonProblem): false {
    this.problem = problem;
    return false;
  }
}

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');

/** Whether it may be worth reading as JSON. */
export function isDocument(text: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end && (text[at] as number) <= 0x20) at++;
  return end - at > 4 && (text[at] === 0x7b || text[at] === 0x5b);
}
