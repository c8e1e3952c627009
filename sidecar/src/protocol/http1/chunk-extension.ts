/**
 * Checks the extensions of a chunk, byte by byte, from behind the size to the CR that ends the line:
 * `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )` (RFC 9112 section 7.1.1). They are checked and dropped, never forwarded.
 *
 * Invariant: no line end can hide in an extension, quoted or not.
 */
import { LIMITS } from '../../core/limits.ts';
import { CLASS, CR, HTAB, SP, TOKEN, VALUE } from './bytes.ts';

export const EXTENSION_BAD = -1;
export const EXTENSION_MORE = 0;
/** The byte was the CR of the line end. */
export const EXTENSION_DONE = 1;

const BEFORE_SEMICOLON = 0;
const BEFORE_NAME = 1;
const NAME = 2;
const AFTER_NAME = 3;
const BEFORE_VALUE = 4;
const VALUE_TOKEN = 5;
const QUOTED = 6;
const ESCAPED = 7;
const AFTER_VALUE = 8;

const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export class ChunkExtension {
  private state = BEFORE_SEMICOLON;
  private bytes = 0;

  begin(): void {
    this.state = BEFORE_SEMICOLON;
    this.bytes = 0;
  }

  read(byte: number): number {
    if (++this.bytes > LIMITS.chunkExtensionBytes) return EXTENSION_BAD;
    const characters = CLASS[byte] as number;
    const isToken = (characters & TOKEN) !== 0;
    switch (this.state) {
      case BEFORE_SEMICOLON:
        // White space behind a size is bad unless an extension follows.
        if (isSpace(byte)) return EXTENSION_MORE;
        return byte === SEMICOLON ? this.goOn(BEFORE_NAME) : EXTENSION_BAD;
      case BEFORE_NAME:
        if (isSpace(byte)) return EXTENSION_MORE;
        return isToken ? this.goOn(NAME) : EXTENSION_BAD;
      case NAME:
        if (isToken) return EXTENSION_MORE;
        return this.leaveName(byte);
      case AFTER_NAME:
        return this.leaveName(byte);
      case BEFORE_VALUE:
        if (isSpace(byte)) return EXTENSION_MORE;
        if (byte === QUOTE) return this.goOn(QUOTED);
        return isToken ? this.goOn(VALUE_TOKEN) : EXTENSION_BAD;
      case VALUE_TOKEN:
        if (isToken) return EXTENSION_MORE;
        return this.leaveValue(byte);
      case QUOTED:
        if ((characters & VALUE) === 0) return EXTENSION_BAD;
        if (byte === BACKSLASH) return this.goOn(ESCAPED);
        return byte === QUOTE ? this.goOn(AFTER_VALUE) : EXTENSION_MORE;
      case ESCAPED:
        return (characters & VALUE) === 0 ? EXTENSION_BAD : this.goOn(QUOTED);
      default:
        return this.leaveValue(byte);
    }
  }

  private leaveName(byte: number): number {
    if (byte === EQUALS) return this.goOn(BEFORE_VALUE);
    if (isSpace(byte)) return this.goOn(AFTER_NAME);
    if (byte === SEMICOLON) return this.goOn(BEFORE_NAME);
    return byte === CR && this.state === NAME ? EXTENSION_DONE : EXTENSION_BAD;
  }

  private leaveValue(byte: number): number {
    if (isSpace(byte)) return this.goOn(BEFORE_SEMICOLON);
    if (byte === SEMICOLON) return this.goOn(BEFORE_NAME);
    return byte === CR ? EXTENSION_DONE : EXTENSION_BAD;
  }

  private goOn(state: number): number {
    this.state = state;
    return EXTENSION_MORE;
  }
}

function isSpace(byte: number): boolean {
  return byte === SP || byte === HTAB;
}
