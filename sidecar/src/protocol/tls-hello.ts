/**
 * Reads the server name (SNI, RFC 6066 section 3) off the ClientHello that a TLS connection begins with (RFC 8446 section 4.1.2).
 *
 * Invariants
 * - Strict: lengths must add up, and a name must be one DNS name. What is odd is malformed, not skipped.
 * - A result other than `incomplete` is final, however the bytes are split into reads, records and fragments.
 * - At most `LIMITS.clientHelloBytes` bytes are needed.
 */
import { isHostName } from '../config/address.ts';
import { LIMITS } from '../core/limits.ts';

export type ClientHello = 'incomplete' | 'malformed' | { readonly serverName: string };

const RECORD_HEADER = 5;
const HANDSHAKE_RECORD = 22;
const MAX_RECORD = 16_384;
const MESSAGE_HEADER = 4;
const CLIENT_HELLO = 1;
const RANDOM_BYTES = 32;
const SERVER_NAME = 0;
const HOST_NAME = 0;

/** `serverName` is in lower case, and empty when the client names no server. */
export function readClientHello(bytes: Uint8Array, start: number, end: number): ClientHello {
  const limit = Math.min(end, start + LIMITS.clientHelloBytes);
  const message = gatherMessage(bytes, start, limit);
  if (message !== 'incomplete') return message === 'malformed' ? message : readMessage(message);
  return end - start < LIMITS.clientHelloBytes ? 'incomplete' : 'malformed';
}

/** The ClientHello without its header, put together from as many records as it came in. */
function gatherMessage(
  bytes: Uint8Array,
  start: number,
  end: number,
): Uint8Array | 'incomplete' | 'malformed' {
  let gathered: Uint8Array = new Uint8Array(0);
  for (let at = start; ; ) {
    if (at < end && bytes[at] !== HANDSHAKE_RECORD) return 'malformed';
    if (at + RECORD_HEADER > end) return 'incomplete';
    const length = uint16(bytes, at + 3);
    if (bytes[at + 1] !== 3 || length === 0 || length > MAX_RECORD) return 'malformed';
    const from = at + RECORD_HEADER;
    at = from + length;
    const fragment = bytes.subarray(from, Math.min(at, end));
    gathered = gathered.length === 0 ? fragment : Buffer.concat([gathered, fragment]);
    if (gathered.length > 0 && gathered[0] !== CLIENT_HELLO) return 'malformed';
    if (gathered.length >= MESSAGE_HEADER) {
      const total = MESSAGE_HEADER + ((gathered[1] as number) << 16) + uint16(gathered, 2);
      // Nothing may stand behind a ClientHello in its record; but only a whole record tells.
      if (total > LIMITS.clientHelloBytes) return 'malformed';
      if (at <= end && gathered.length >= total) {
        return gathered.length === total ? gathered.subarray(MESSAGE_HEADER) : 'malformed';
      }
    }
    if (at > end) return 'incomplete';
  }
}

function readMessage(message: Uint8Array): ClientHello {
  const fields = new Fields(message);
  fields.skip(2 + RANDOM_BYTES);
  fields.skip(fields.uint8());
  const suites = fields.uint16();
  fields.skip(suites);
  const compressions = fields.uint8();
  fields.skip(compressions);
  if (fields.broken || suites < 2 || suites % 2 !== 0 || compressions === 0) return 'malformed';
  // TLS 1.2 allows for no extensions at all.
  if (fields.atEnd) return { serverName: '' };
  const extensions = new Fields(fields.take(fields.uint16()));
  if (fields.broken || !fields.atEnd) return 'malformed';
  let serverName: string | null = null;
  while (!extensions.atEnd) {
    const type = extensions.uint16();
    const data = extensions.take(extensions.uint16());
    if (extensions.broken) return 'malformed';
    if (type !== SERVER_NAME) continue;
    if (serverName !== null) return 'malformed';
    serverName = readServerNameList(data);
    if (serverName === null) return 'malformed';
  }
  return { serverName: serverName ?? '' };
}

/** Exactly one name, since there is no other kind than DNS names; null when it is anything else. */
function readServerNameList(data: Uint8Array): string | null {
  const fields = new Fields(data);
  const list = new Fields(fields.take(fields.uint16()));
  const type = list.uint8();
  const name = list.take(list.uint16());
  if (fields.broken || !fields.atEnd || list.broken || !list.atEnd || type !== HOST_NAME) return null;
  const text = Buffer.from(name).toString('latin1').toLowerCase();
  return isHostName(text) ? text : null;
}

/** Reads fields one after the other. Past the end everything is 0 and `broken` is set. */
class Fields {
  broken = false;
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get atEnd(): boolean {
    return this.broken || this.at === this.bytes.length;
  }

  uint8(): number {
    return this.take(1)[0] ?? 0;
  }

  uint16(): number {
    const bytes = this.take(2);
    return bytes.length === 0 ? 0 : uint16(bytes, 0);
  }

  skip(count: number): void {
    this.take(count);
  }

  take(count: number): Uint8Array {
    if (this.at + count > this.bytes.length) {
      this.broken = true;
      return this.bytes.subarray(0, 0);
    }
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }
}

function uint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}
