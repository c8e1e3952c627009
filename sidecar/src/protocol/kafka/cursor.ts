/**
 * Reads Kafka's primitive types out of bytes that may end too early.
 *
 * Invariant: never reads beyond the end. Whatever would, sets `overrun` and reads as 0, now and from then on.
 */
export class Cursor {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  end = 0;
  overrun = false;
  /** The string or bytes that were read last lie here. */
  from = 0;
  to = 0;

  reset(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    this.overrun = false;
    this.from = 0;
    this.to = 0;
  }

  skip(count: number): void {
    if (count < 0 || count > this.end - this.at) this.overrun = true;
    if (!this.overrun) this.at += count;
  }

  i8(): number {
    return (this.number(1) << 24) >> 24;
  }

  i16(): number {
    return (this.number(2) << 16) >> 16;
  }

  i32(): number {
    return this.number(4) | 0;
  }

  /** Five bytes at most, so 32 bits. */
  uvarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.number(1);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    this.overrun = true;
    return 0;
  }

  /** How many elements an array has; 0 for a null one. */
  count(flexible: boolean): number {
    return Math.max(flexible ? this.uvarint() - 1 : this.i32(), 0);
  }

  /** A string, null or not. */
  string(flexible: boolean): void {
    this.sized(Math.max(flexible ? this.uvarint() - 1 : this.i16(), 0));
  }

  /** Bytes with a long length, null or not: records. */
  blob(flexible: boolean): void {
    this.sized(Math.max(flexible ? this.uvarint() - 1 : this.i32(), 0));
  }

  uuid(): void {
    this.sized(16);
  }

  tags(flexible: boolean): void {
    if (!flexible) return;
    const count = this.uvarint();
    for (let i = 0; i < count && !this.overrun; i++) {
      this.uvarint();
      this.skip(this.uvarint());
    }
  }

  private sized(length: number): void {
    this.from = this.at;
    this.skip(length);
    this.to = this.at;
  }

  private number(size: number): number {
    if (this.end - this.at < size) this.overrun = true;
    if (this.overrun) return 0;
    let value = 0;
    for (let i = 0; i < size; i++) value = (value << 8) | (this.bytes[this.at++] as number);
    return value;
  }
}
