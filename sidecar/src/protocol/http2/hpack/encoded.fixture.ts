// Writes blocks from strings, as a codec does from its heads.
import { findFieldId } from '../../field-names.ts';
import { HpackEncoder } from './encoder.ts';

export type Field = readonly [name: string, value: string, neverIndexed?: boolean];

const TARGET_BYTES = 1_048_576;
const target = Buffer.alloc(TARGET_BYTES);

/** Pseudo-headers go through the calls of their own. */
export function encodeBlock(encoder: HpackEncoder, fields: readonly Field[]): Buffer {
  let at = encoder.begin(target, 0);
  if (at > HpackEncoder.BEGIN_BYTES) throw new Error('size updates are larger than said');
  for (const [name, value, neverIndexed = false] of fields) {
    const end = encodeField(encoder, name, value, at, neverIndexed);
    if (end - at > HpackEncoder.worstCase(name.length, value.length))
      throw new Error(`${name} is larger than said`);
    at = end;
  }
  return Buffer.from(target.subarray(0, at));
}

function encodeField(
  encoder: HpackEncoder,
  name: string,
  value: string,
  at: number,
  neverIndexed: boolean,
): number {
  const source = Buffer.from(`${name}${value}`, 'latin1');
  const start = name.length;
  const end = source.length;
  if (name === ':method') return encoder.method(source, start, end, target, at);
  if (name === ':path') return encoder.path(source, start, end, target, at);
  if (name === ':authority') return encoder.authority(source, start, end, target, at);
  if (name === ':protocol') return encoder.protocol(source, start, end, target, at);
  if (name === ':scheme') return encoder.scheme(value === 'https', target, at);
  if (name === ':status') return encoder.status(Number(value), target, at);
  return encoder.field(source, 0, start, start, end, findFieldId(source, 0, start), target, at, neverIndexed);
}
