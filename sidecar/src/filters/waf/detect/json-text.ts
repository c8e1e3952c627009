/** The escapes of strings in JSON (RFC 8259, section 7). */
import { hexValue } from '../character.ts';

/** Of an escape at `at`; 0 if it is none. */
export function escapeLength(text: Uint8Array, at: number, end: number): number {
  if (at + 1 >= end) return 0;
  switch (text[at + 1]) {
    case 0x22:
    case 0x5c:
    case 0x2f:
    case 0x62:
    case 0x66:
    case 0x6e:
    case 0x72:
    case 0x74:
      return 2;
    case 0x75:
      break;
    default:
      return 0;
  }
  if (at + 5 >= end) return 0;
  for (let i = at + 2; i < at + 6; i++) if (hexValue(text[i] as number) === -1) return 0;
  return 6;
}

/** Of a string whose escapes are all good. Returns the length, which is never more than it was. */
export function unescapeText(text: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let length = 0;
  let at = start;
  while (at < end) {
    const byte = text[at++] as number;
    if (byte !== 0x5c) {
      out[length++] = byte;
      continue;
    }
    const escaped = text[at++] as number;
    if (escaped !== 0x75) {
      out[length++] = unescaped(escaped);
      continue;
    }
    let code = 0;
    for (let i = 0; i < 4; i++) code = code * 16 + hexValue(text[at++] as number);
    if (code < 0x80) {
      out[length++] = code;
    } else if (code < 0x800) {
      out[length++] = 0xc0 | (code >> 6);
      out[length++] = 0x80 | (code & 0x3f);
    } else {
      out[length++] = 0xe0 | (code >> 12);
      out[length++] = 0x80 | ((code >> 6) & 0x3f);
      out[length++] = 0x80 | (code & 0x3f);
    }
  }
  return length;
}

function unescaped(byte: number): number {
  switch (byte) {
    case 0x62:
      return 0x08;
    case 0x66:
      return 0x0c;
    case 0x6e:
      return 0x0a;
    case 0x72:
      return 0x0d;
    case 0x74:
      return 0x09;
    default:
      return byte;
  }
}
