/**
 * A decimal number up to CRLF, as both directions of RESP announce lengths and counts, over any split.
 */
export const MORE = -1;
export const INVALID = -2;

/** Twelve digits: beyond every length and count that a server takes, and exact as a number. */
const MAX_DIGITS = 12;
const CR = 0x0d;
const LF = 0x0a;
const MINUS = 0x2d;
const ZERO = 0x30;

export class NumberLine {
  value = 0;
  private digits = 0;
  private negative = false;
  private sawCr = false;

  begin(): void {
    this.value = 0;
    this.digits = 0;
    this.negative = false;
    this.sawCr = false;
  }

  /** Nothing of the line was read yet. */
  get untouched(): boolean {
    return this.digits === 0 && !this.negative && !this.sawCr;
  }

  /** The index after the line, MORE when it goes on in the next read, or INVALID. */
  read(bytes: Uint8Array, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      if (this.sawCr) {
        if (byte !== LF || this.digits === 0) return INVALID;
        if (this.negative) this.value = -this.value;
        return at + 1;
      }
      const digit = byte - ZERO;
      if (digit >= 0 && digit <= 9) {
        if (++this.digits > MAX_DIGITS) return INVALID;
        this.value = this.value * 10 + digit;
      } else if (byte === CR) {
        this.sawCr = true;
      } else if (byte === MINUS && this.digits === 0 && !this.negative) {
        this.negative = true;
      } else {
        return INVALID;
      }
    }
    return MORE;
  }
}
