/**
 * The wire types of Protocol Buffers, and the tags that they make with the number of a field (https://protobuf.dev/programming-guides/encoding/).
 */
export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;

export function tagOf(field: number, wireType: number): number {
  return (field << 3) | wireType;
}
