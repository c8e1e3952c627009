/**
 * Numbers as decimal digits, written into a buffer without a string. Each returns the position behind; the caller provides room.
 */

const POINT = 0x2e;
/** Below this, whole numbers divide without floating point. */
const SMALL_INTEGER = 0x4000_0000;

/** A whole number of at least 0. */
export function writeInteger(buffer: Buffer, at: number, value: number): number {
  if (value < 10) {
    buffer[at] = 0x30 + value;
    return at + 1;
  }
  let count = 2;
  for (let bound = 100; value >= bound; bound *= 10) count++;
  return writeDigits(buffer, at, value, count);
}

/** The last `count` digits of a whole number. */
export function writeDigits(buffer: Buffer, at: number, value: number, count: number): number {
  let rest = value;
  for (let i = at + count - 1; i >= at; i--) {
    const next = rest < SMALL_INTEGER ? ((rest | 0) / 10) | 0 : Math.floor(rest / 10);
    buffer[i] = 0x30 + (rest - next * 10);
    rest = next;
  }
  return at + count;
}

/** With three decimals, that is, to the microsecond; less than nothing is 0. */
export function writeMilliseconds(buffer: Buffer, at: number, ms: number): number {
  const us = Math.max(0, Math.round(ms * 1_000));
  const whole = Math.floor(us / 1_000);
  const behind = writeInteger(buffer, at, whole);
  buffer[behind] = POINT;
  return writeDigits(buffer, behind + 1, us - whole * 1_000, 3);
}
