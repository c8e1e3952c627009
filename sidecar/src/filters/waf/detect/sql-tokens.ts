/**
 * Cuts bytes into the tokens of SQL.
 *
 * Invariants: one pass, each byte is looked at a bounded number of times, nothing is allocated. Comments that end are left out, since attacks
 * use them as spaces; what MySQL runs within a comment (`/*!`) is read as SQL.
 *
 * Source of the idea: libinjection (Nick Galbreath, Black Hat 2012): an injection is told by the sequence of its tokens, read as if it stood
 * behind a number, and within either kind of quotes.
 */
import { isDigit, isWordByte } from '../character.ts';
import { FIRST_HASH, nextHash } from '../words.ts';
import { MOST_SQL_TOKENS } from './limits.ts';
import { isWordSplit } from './sql-split-word.ts';
import * as Sql from './sql-words.ts';

/** Of names that are compared with each other. */
const LONGEST_SAME = 64;
/** How many tokens behind the last may be asked about. */
const BEYOND = 16;

export class SqlTokens {
  count = 0;
  readonly types = new Uint8Array(MOST_SQL_TOKENS + BEYOND);
  readonly starts = new Int32Array(MOST_SQL_TOKENS + BEYOND);
  readonly ends = new Int32Array(MOST_SQL_TOKENS + BEYOND);
  /** How many there are of each type. */
  readonly counts = new Uint16Array(Sql.OTHER + 1);
  /** Where there is a comment whose inside only MySQL runs; -1 if there is none. */
  versionCommentAt = -1;
  /** Where a comment stands within a word of SQL; -1 if none does. */
  splitWordAt = -1;
  /** The quote of the literal that nothing closes, if there is something in it; 0 otherwise. */
  openQuote = 0;
  private text: Uint8Array = new Uint8Array(0);
  private end = 0;
  private backslashEscapes = true;
  /** From here on there is no line end, and no end of a comment: so that nobody looks for one again and again. */
  private lastLineEnd = 0;
  private lastCommentEnd = 0;

  /** Begins with another text, or another reading of it: all of `text` up to `end` is read in pieces from now on. */
  begin(text: Uint8Array, end: number, backslashEscapes: boolean): void {
    this.text = text;
    this.end = end;
    this.backslashEscapes = backslashEscapes;
    this.lastLineEnd = end;
    this.lastCommentEnd = end;
  }

  /** The tokens from `start` on, no more than `most`; returns where the rest begins. */
  read(start: number, most: number): number {
    const { end } = this;
    this.count = 0;
    this.counts.fill(0);
    this.versionCommentAt = -1;
    this.splitWordAt = -1;
    this.openQuote = 0;
    let at = start;
    while (at < end && this.count < most) at = this.readToken(at);
    for (let i = 0; i < BEYOND; i++) this.types[this.count + i] = Sql.END;
    return at;
  }

  has(type: number): boolean {
    return this.counts[type] !== 0;
  }

  /** Whether two tokens have the same bytes. */
  isSame(one: number, other: number): boolean {
    const { text, starts, ends } = this;
    const start = starts[one] as number;
    const length = (ends[one] as number) - start;
    const from = starts[other] as number;
    if (other >= this.count || (ends[other] as number) - from !== length || length > LONGEST_SAME)
      return false;
    for (let i = 0; i < length; i++) if (text[start + i] !== text[from + i]) return false;
    return true;
  }

  private push(type: number, start: number, end: number): number {
    this.types[this.count] = type;
    this.starts[this.count] = start;
    this.ends[this.count++] = end;
    (this.counts[type] as number)++;
    return end;
  }

  private byteAt(at: number): number {
    return at < this.end ? (this.text[at] as number) : 0;
  }

  private readToken(at: number): number {
    const byte = this.text[at] as number;
    if (byte === 0x20 || byte < 0x20) return at + 1;
    if (isDigit(byte)) return this.readNumber(at);
    if (isWordByte(byte) || byte === 0x24) return this.readWord(at);
    const next = this.byteAt(at + 1);
    switch (byte) {
      case 0x27: // '
      case 0x22: // "
      case 0x60: // `
        return this.readString(at, byte);
      case 0x2d: // -
        if (next === 0x2d && !isOperand(this.byteAt(at + 2))) return this.readLineComment(at, 2);
        return this.push(Sql.ARITHMETIC, at, at + 1);
      case 0x23: // #
        // PostgreSQL's `#>`
        return next === 0x3e ? this.push(Sql.COMPARISON, at, at + 2) : this.readLineComment(at, 1);
      case 0x2f: // /
        return next === 0x2a ? this.readComment(at) : this.push(Sql.ARITHMETIC, at, at + 1);
      case 0x2a: // *
        // The end of a version comment.
        return next === 0x2f ? at + 2 : this.push(Sql.ARITHMETIC, at, at + 1);
      case 0x7c: // |
      case 0x26: // &
        return next === byte ? this.push(Sql.LOGIC, at, at + 2) : this.push(Sql.ARITHMETIC, at, at + 1);
      case 0x3d: // =
      case 0x3c: // <
      case 0x3e: // >
        return this.push(Sql.COMPARISON, at, this.skipComparison(at + 1));
      case 0x21: // !
        return next >= 0x3c && next <= 0x3e
          ? this.push(Sql.COMPARISON, at, at + 2)
          : this.push(Sql.NOT, at, at + 1);
      case 0x7e: // ~
        return next === 0x2a || next === byte
          ? this.push(Sql.COMPARISON, at, at + 2)
          : this.push(Sql.ARITHMETIC, at, at + 1);
      case 0x3a: // :
        if (next === 0x3a) return this.readCast(at);
        return next === 0x3d ? this.push(Sql.COMPARISON, at, at + 2) : this.push(Sql.OTHER, at, at + 1);
      case 0x2b: // +
      case 0x25: // %
      case 0x5e: // ^
        return this.push(Sql.ARITHMETIC, at, at + 1);
      case 0x2c:
        return this.push(Sql.COMMA, at, at + 1);
      case 0x28:
        return this.push(Sql.LEFT, at, at + 1);
      case 0x29:
        return this.push(Sql.RIGHT, at, at + 1);
      case 0x3b:
        return this.push(Sql.SEMICOLON, at, at + 1);
      case 0x40: // @
        return next === 0x3e || (next === byte && this.byteAt(at + 2) === 0x20)
          ? this.push(Sql.COMPARISON, at, at + 2)
          : this.readVariable(at);
      case 0x2e: // .
        return isDigit(next) ? this.readNumber(at) : this.push(Sql.OTHER, at, at + 1);
      case 0x7b: // ODBC's {fn now()}
      case 0x7d:
        return at + 1;
      default:
        return this.push(Sql.OTHER, at, at + 1);
    }
  }

  private readCast(start: number): number {
    let at = start + 2;
    while (at < this.end && isWordByte(this.byteAt(at))) at++;
    return this.push(Sql.SQL_TYPES.find(this.text, start + 2, at) === 0 ? Sql.OTHER : Sql.CAST, start, at);
  }

  private skipComparison(at: number): number {
    let next = at;
    while (next < at + 2) {
      const byte = this.byteAt(next);
      if ((byte < 0x3c || byte > 0x3e) && byte !== 0x40) break;
      next++;
    }
    return next;
  }

  /** Also `1e5`, `0x1f` and `.5`. Databases read `1or` and `1union` as two words; `90s` is a name. */
  private readNumber(start: number): number {
    let at = start;
    if (this.byteAt(at) === 0x30 && (this.byteAt(at + 1) | 0x20) === 0x78) {
      at += 2;
      while (at < this.end && isWordByte(this.byteAt(at))) at++;
      return this.push(Sql.NUMBER, start, at);
    }
    while (isDigit(this.byteAt(at)) || this.byteAt(at) === 0x2e) at++;
    if ((this.byteAt(at) | 0x20) === 0x65) {
      const sign = this.byteAt(at + 1) === 0x2b || this.byteAt(at + 1) === 0x2d ? 1 : 0;
      if (isDigit(this.byteAt(at + 1 + sign))) {
        at += 2 + sign;
        while (isDigit(this.byteAt(at))) at++;
      }
    }
    let word = at;
    while (word < this.end && isWordByte(this.byteAt(word))) word++;
    if (word === at || Sql.SQL_WORDS.find(this.text, at, word) !== 0) return this.push(Sql.NUMBER, start, at);
    return this.push(Sql.NAME, start, word);
  }

  /** With the names behind dots. */
  private readWord(start: number): number {
    const { text, end } = this;
    let at = start;
    let hash = FIRST_HASH;
    while (at < end) {
      const byte = text[at] as number;
      if (!isWordByte(byte) && byte !== 0x24) break;
      hash = nextHash(hash, byte);
      at++;
    }
    const type = Sql.SQL_WORDS.findHashed(text, start, at, hash);
    if (type === 0) {
      // x'41', n'a', _utf8'a': a literal with a prefix.
      if (this.byteAt(at) === 0x27 && isPrefix(text, start, at)) return at;
      return this.readNames(start, at, Sql.NAME);
    }
    if (this.byteAt(at) !== 0x2e || !this.isNameBehind(at)) return this.push(type, start, at);
    const keeps = type === Sql.SCHEMA || type === Sql.ATTACK;
    return this.readNames(start, at, keeps ? type : Sql.NAME);
  }

  /** The names behind dots; the last one can be a procedure that only attacks call. */
  private readNames(start: number, from: number, type: number): number {
    let at = from;
    let last = start;
    while (this.byteAt(at) === 0x2e && this.isNameBehind(at)) {
      last = this.byteAt(at + 1) === 0x2e ? at + 2 : at + 1;
      at = last;
      while (at < this.end && isWordByte(this.byteAt(at))) at++;
    }
    const isAttack = last > start && Sql.SQL_WORDS.find(this.text, last, at) === Sql.ATTACK;
    return this.push(isAttack ? Sql.ATTACK : type, start, at);
  }

  private isNameBehind(dot: number): boolean {
    return isWordByte(this.byteAt(this.byteAt(dot + 1) === 0x2e ? dot + 2 : dot + 1));
  }

  private readString(start: number, quote: number): number {
    const { text, end, backslashEscapes } = this;
    let at = start + 1;
    while (at < end) {
      const byte = text[at] as number;
      if (byte === 0x5c && backslashEscapes) {
        at += 2;
      } else if (byte !== quote) {
        at++;
      } else if (this.byteAt(at + 1) === quote) {
        at += 2;
      } else {
        return this.push(Sql.STRING, start, at + 1);
      }
    }
    if (start + 1 < end) this.openQuote = quote;
    this.push(Sql.OPEN, start, start + 1);
    return end;
  }

  private readLineComment(start: number, markers: number): number {
    for (let at = start + markers; at < this.lastLineEnd; at++) {
      if (this.text[at] === 0x0a) return at + 1;
    }
    this.lastLineEnd = Math.min(this.lastLineEnd, start);
    return this.push(Sql.COMMENT, start, start + markers);
  }

  private readComment(start: number): number {
    const mark = this.byteAt(start + 2);
    if (mark === 0x21 || ((mark | 0x20) === 0x6d && this.byteAt(start + 3) === 0x21)) {
      this.versionCommentAt = start;
      let at = start + (mark === 0x21 ? 3 : 4);
      while (isDigit(this.byteAt(at))) at++;
      return at;
    }
    for (let at = start + 2; at < this.lastCommentEnd; at++) {
      if (this.text[at] === 0x2a && this.byteAt(at + 1) === 0x2f) {
        if (isWordSplit(this.text, start, at + 2, this.end)) this.splitWordAt = start;
        return at + 2;
      }
    }
    this.lastCommentEnd = Math.min(this.lastCommentEnd, start);
    return this.push(Sql.COMMENT, start, start + 2);
  }

  private readVariable(start: number): number {
    let at = start + 1;
    if (this.byteAt(at) === 0x40) at++;
    const name = at;
    while (at < this.end && isWordByte(this.byteAt(at))) at++;
    return at === name ? this.push(Sql.OTHER, start, at) : this.readNames(start, at, Sql.VARIABLE);
  }
}

/** Behind `--`: MySQL takes it for two signs where others see a comment. */
function isOperand(byte: number): boolean {
  return isDigit(byte) || byte === 0x28 || byte === 0x40;
}

/** x, b, n, e, q, and MySQL's names of character sets. */
function isPrefix(text: Uint8Array, start: number, end: number): boolean {
  if (end - start > 1) return text[start] === 0x5f;
  const lower = (text[start] as number) | 0x20;
  return lower === 0x78 || lower === 0x62 || lower === 0x6e || lower === 0x65 || lower === 0x71;
}
