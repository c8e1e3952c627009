/**
 * Builds one JSON object a line straight into a buffer.
 *
 * Invariants: keys are made once by `jsonKey`, from code, and need no escaping; every value is escaped; bytes of the wire are read as
 * Latin-1. The caller provides room.
 */
import { copyBytes } from '../transport/output.ts';
import { writeDigits, writeInteger, writeMilliseconds } from './decimal.ts';
import { writeHexByte, writeHexWord } from './hex.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SECOND_MS = 1_000;

/** What stands before a value: `,"key":`. */
export function jsonKey(key: string): Buffer {
  return Buffer.from(`,"${key}":`);
}

export class JsonLine {
  private buffer: Buffer = Buffer.alloc(0);
  private at = 0;
  private second = -1;
  private secondText = '';

  begin(buffer: Buffer, at: number): void {
    this.buffer = buffer;
    this.at = at;
  }

  /** Ends the line and returns the position behind it. */
  end(): number {
    this.buffer[this.at++] = 0x7d;
    this.buffer[this.at++] = 0x0a;
    return this.at;
  }

  /** Opens the line with its time (RFC 3339, milliseconds, UTC). */
  time(wallMs: number): void {
    const second = Math.floor(wallMs / SECOND_MS);
    if (second !== this.second) {
      this.second = second;
      this.secondText = `{"time":"${new Date(second * SECOND_MS).toISOString().slice(0, -4)}`;
    }
    this.ascii(this.secondText);
    const ms = Math.floor(wallMs - second * SECOND_MS);
    this.at = writeDigits(this.buffer, this.at, ms, 3);
    this.ascii('Z",');
  }

  raw(bytes: Buffer): void {
    this.key(bytes);
  }

  number(key: Buffer, value: number): void {
    this.key(key);
    this.at = writeInteger(this.buffer, this.at, value);
  }

  /** With three decimals, that is, to the microsecond. */
  milliseconds(key: Buffer, value: number): void {
    this.key(key);
    this.at = writeMilliseconds(this.buffer, this.at, value);
  }

  text(key: Buffer, value: string): void {
    this.key(key);
    const { buffer } = this;
    let at = this.at;
    buffer[at++] = QUOTE;
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code < 0x20 || code > 0x7e || code === QUOTE || code === BACKSLASH) {
        this.at += buffer.write(JSON.stringify(value), this.at);
        return;
      }
      buffer[at++] = code;
    }
    buffer[at++] = QUOTE;
    this.at = at;
  }

  /** Bytes of the wire. */
  bytes(key: Buffer, source: Uint8Array, start: number, end: number): void {
    this.key(key);
    const { buffer } = this;
    let at = this.at;
    buffer[at++] = QUOTE;
    for (let i = start; i < end; i++) {
      const byte = source[i] as number;
      if (byte < 0x20 || byte > 0x7e) {
        at = writeEscape(buffer, at, byte);
        continue;
      }
      if (byte === QUOTE || byte === BACKSLASH) buffer[at++] = BACKSLASH;
      buffer[at++] = byte;
    }
    buffer[at++] = QUOTE;
    this.at = at;
  }

  /** An id of two words, in hexadecimal. */
  id64(key: Buffer, a: number, b: number): void {
    this.key(key);
    this.buffer[this.at++] = QUOTE;
    this.words(a, b);
    this.buffer[this.at++] = QUOTE;
  }

  /** An id of four words, in hexadecimal. */
  id128(key: Buffer, a: number, b: number, c: number, d: number): void {
    this.key(key);
    this.buffer[this.at++] = QUOTE;
    this.words(a, b);
    this.words(c, d);
    this.buffer[this.at++] = QUOTE;
  }

  private words(a: number, b: number): void {
    writeHexWord(this.buffer, this.at, a);
    writeHexWord(this.buffer, this.at + 8, b);
    this.at += 16;
  }

  private key(key: Buffer): void {
    copyBytes(key, 0, key.length, this.buffer, this.at);
    this.at += key.length;
  }

  private ascii(text: string): void {
    for (let i = 0; i < text.length; i++) this.buffer[this.at++] = text.charCodeAt(i);
  }
}

function writeEscape(buffer: Buffer, at: number, byte: number): number {
  buffer[at] = BACKSLASH;
  buffer[at + 1] = 0x75;
  buffer[at + 2] = 0x30;
  buffer[at + 3] = 0x30;
  writeHexByte(buffer, at + 4, byte);
  return at + 6;
}
