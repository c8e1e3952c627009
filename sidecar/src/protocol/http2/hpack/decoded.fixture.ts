// What a decoder shows of a block, as strings.
import { type FieldSink, HPACK_OK, type HpackDecoder } from './decoder.ts';
import { PSEUDO_NONE } from './field.ts';

export interface Decoded {
  result: number;
  fields: [name: string, value: string][];
  /** Of each field. */
  isWellFormed: boolean[];
  pseudo: number[];
  ids: number[];
  neverIndexed: boolean[];
}

export function decodeBlock(decoder: HpackDecoder, block: Uint8Array): Decoded {
  const decoded: Decoded = {
    result: HPACK_OK,
    fields: [],
    isWellFormed: [],
    pseudo: [],
    ids: [],
    neverIndexed: [],
  };
  const sink: FieldSink = {
    onField(line, start, end, nameLength, id, pseudo, wellFormed, neverIndexed) {
      const text = Buffer.from(line.subarray(start, end)).toString('latin1');
      if (text.slice(nameLength, nameLength + 2) !== ': ' || !text.endsWith('\r\n'))
        throw new Error(`not a rendered line: ${JSON.stringify(text)}`);
      if ((pseudo !== PSEUDO_NONE) !== text.startsWith(':') && nameLength > 0)
        throw new Error(`not the kind of ${JSON.stringify(text)}: ${pseudo}`);
      decoded.fields.push([text.slice(0, nameLength), text.slice(nameLength + 2, -2)]);
      decoded.isWellFormed.push(wellFormed);
      decoded.pseudo.push(pseudo);
      decoded.ids.push(id);
      decoded.neverIndexed.push(neverIndexed);
    },
  };
  decoded.result = decoder.decode(block, 0, block.length, sink);
  return decoded;
}

/** A literal without indexing, not Huffman coded. */
export function literal(name: string | Buffer, value: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x00]), string(name), string(value)]);
}

export function string(text: string | Buffer): Buffer {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : text;
  return Buffer.concat([integer(0x00, 0x7f, bytes.length), bytes]);
}

export function integer(pattern: number, mask: number, value: number): Buffer {
  if (value < mask) return Buffer.from([pattern | value]);
  const bytes = [pattern | mask];
  let rest = value - mask;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}
