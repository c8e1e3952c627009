/**
 * Classes of bytes. One look at the classes of a value tells whether an attack can be in it at all: most values are words, numbers and ids, and
 * are done with that.
 */
export const LETTER = 1;
export const DIGIT = 2;
export const SPACE = 4;
export const APOSTROPHE = 8;
/** `<`. */
export const ANGLE = 16;
/** What SQL and markup give a meaning: `( ) { } [ ] = ! # * ~ ^ >`. */
export const SYNTAX = 32;
/** `/` and `\`, as in paths. */
export const SLASH = 64;
/** `%`, `&` and `\`, which begin encodings. */
export const ESCAPE = 128;
/** Control characters, DEL included. */
export const CONTROL = 256;
/** Outside of ASCII. */
export const HIGH = 512;
/** `.`, `-`, `_`, `+`, `?`, `,`, `@`: nothing by themselves. */
export const MARK = 1_024;
/** What separates or substitutes commands in a shell: `; | & $`, the backtick and line ends. */
export const SHELL = 2_048;
export const DOUBLE_QUOTE = 4_096;
export const BACKTICK = 8_192;
export const BACKSLASH = 16_384;
/** As in schemes and casts. */
export const COLON = 32_768;
export const QUOTE = APOSTROPHE | DOUBLE_QUOTE | BACKTICK;

/** By byte. */
export const CLASS = new Uint16Array(256).fill(HIGH, 0x80);
CLASS.fill(CONTROL, 0, 0x20);
CLASS[0x7f] = CONTROL;
assign('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ', LETTER);
assign('0123456789', DIGIT);
assign(' \t', SPACE);
assign('\n\r', SPACE | SHELL);
assign("'", APOSTROPHE);
assign('"', DOUBLE_QUOTE);
assign('`', BACKTICK | SHELL);
assign('<', ANGLE | SYNTAX);
assign('(){}[]=!#*~^>', SYNTAX);
assign(';|$', SHELL);
assign('&', SHELL | ESCAPE);
assign('/', SLASH);
assign('\\', SLASH | ESCAPE | BACKSLASH);
assign(':', COLON);
assign('%', ESCAPE);
assign('.-_+?,@', MARK);

function assign(characters: string, classes: number): void {
  for (const character of characters) CLASS[character.charCodeAt(0)] = classes;
}

/** The classes of all bytes of `text[start, end)`. */
export function classesOf(text: Uint8Array, start: number, end: number): number {
  let classes = 0;
  for (let i = start; i < end; i++) classes |= CLASS[text[i] as number] as number;
  return classes;
}

/** Of words: letters, digits, `_`, and all outside of ASCII. */
export function isWordByte(byte: number): boolean {
  return ((CLASS[byte] as number) & (LETTER | DIGIT | HIGH)) !== 0 || byte === 0x5f;
}

export function isLetter(byte: number): boolean {
  return ((CLASS[byte] as number) & LETTER) !== 0;
}

export function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

export function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

/** Of a hexadecimal digit; -1 for others. */
export function hexValue(byte: number): number {
  if (isDigit(byte)) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** In `text[start, end)`, and no further, as `indexOf` would go; -1 if it is not there. */
export function indexOfByte(text: Uint8Array, byte: number, start: number, end: number): number {
  for (let i = start; i < end; i++) if (text[i] === byte) return i;
  return -1;
}

/** Whether `text[at, end)` begins with a word of lower case, whatever the case of the text. */
export function beginsWith(text: Uint8Array, at: number, end: number, word: Uint8Array): boolean {
  if (at + word.length > end) return false;
  for (let i = 0; i < word.length; i++) if (lowerCase(text[at + i] as number) !== word[i]) return false;
  return true;
}

export function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}
