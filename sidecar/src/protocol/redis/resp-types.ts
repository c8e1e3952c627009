/**
 * The first byte of everything that a Redis server can say, RESP2 and RESP3, by what it announces.
 */
export const RESP = {
  blobError: 0x21,
  boolean: 0x23,
  blob: 0x24,
  map: 0x25,
  bigNumber: 0x28,
  array: 0x2a,
  status: 0x2b,
  double: 0x2c,
  error: 0x2d,
  stop: 0x2e,
  integer: 0x3a,
  chunk: 0x3b,
  verbatim: 0x3d,
  push: 0x3e,
  null: 0x5f,
  attribute: 0x7c,
  set: 0x7e,
} as const;
