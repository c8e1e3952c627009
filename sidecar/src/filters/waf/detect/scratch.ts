/** A piece of memory that grows to what it is asked for, and is used again. What it is asked for is bounded by what a request may have. */
const LEAST_BYTES = 1_024;

export class Scratch {
  private bytes = new Uint8Array(LEAST_BYTES);

  /** At least of this size; what was in it is lost. */
  ofSize(size: number): Uint8Array {
    if (this.bytes.length < size) this.bytes = new Uint8Array(Math.max(size, this.bytes.length * 2));
    return this.bytes;
  }
}
