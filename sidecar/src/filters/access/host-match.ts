/**
 * Conditions on the host that a request names, port and letter case aside.
 */
import type { RequestHead } from '../../protocol/head.ts';

const COLON = 0x3a;
const CLOSING_BRACKET = 0x5d;
const DOT = 0x2e;
const PER_CENT = 0x25;

/** False for a host with escapes, which servers read or do not. */
export function namesOneHost({ bytes, authorityStart, authorityEnd }: RequestHead): boolean {
  for (let at = authorityStart; at < authorityEnd; at++) if (bytes[at] === PER_CENT) return false;
  return true;
}

export class HostMatcher {
  private readonly exact: readonly Buffer[];
  /** Each begins with a dot. */
  private readonly suffixes: readonly Buffer[];

  constructor(hosts: readonly string[]) {
    this.exact = hosts.filter((host) => !host.startsWith('*')).map((host) => Buffer.from(host));
    this.suffixes = hosts.filter((host) => host.startsWith('*')).map((host) => Buffer.from(host.slice(1)));
  }

  matches({ bytes, authorityStart: start, authorityEnd }: RequestHead): boolean {
    const end = hostEnd(bytes, start, authorityEnd);
    for (const value of this.exact) {
      if (end - start === value.length && endsWith(bytes, end, value)) return true;
    }
    for (const value of this.suffixes) {
      if (end - start > value.length && endsWith(bytes, end, value)) return true;
    }
    return false;
  }
}

/** Without port, and without the dot of a name that is complete. */
function hostEnd(bytes: Buffer, start: number, authorityEnd: number): number {
  let end = authorityEnd;
  for (let at = authorityEnd - 1; at >= start && bytes[at] !== CLOSING_BRACKET; at--) {
    if (bytes[at] === COLON) end = at;
  }
  return end > start && bytes[end - 1] === DOT ? end - 1 : end;
}

function endsWith(bytes: Buffer, end: number, value: Buffer): boolean {
  const start = end - value.length;
  for (let i = 0; i < value.length; i++) {
    const byte = bytes[start + i] as number;
    if ((byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte) !== value[i]) return false;
  }
  return true;
}
