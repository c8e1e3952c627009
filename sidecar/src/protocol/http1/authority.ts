/**
 * Authorities as they stand in Host and in absolute-form targets: `host [":" port]` (RFC 3986 section 3.2, no userinfo).
 */
import { AUTHORITY, CLASS, COLON, DIGIT } from './bytes.ts';

const MAX_PORT = 65_535;

/** Whether the range is a host with an optional port. Userinfo, spaces, stray brackets and ports beyond 65535 are refused. */
export function isAuthority(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) return false;
  let hostEnd = start;
  if (bytes[start] === 0x5b) {
    while (hostEnd < end && bytes[hostEnd] !== 0x5d) {
      if (hostEnd > start && !isIpLiteral(bytes[hostEnd] as number)) return false;
      hostEnd++;
    }
    if (hostEnd === end || hostEnd === start + 1) return false;
    hostEnd++;
  } else {
    while (hostEnd < end && bytes[hostEnd] !== COLON) {
      const byte = bytes[hostEnd] as number;
      if (((CLASS[byte] as number) & AUTHORITY) === 0 || byte === 0x5b || byte === 0x5d) return false;
      hostEnd++;
    }
    if (hostEnd === start) return false;
  }
  if (hostEnd === end) return true;
  if (bytes[hostEnd] !== COLON || end - hostEnd > 6) return false;
  let port = 0;
  for (let at = hostEnd + 1; at < end; at++) {
    const byte = bytes[at] as number;
    if (((CLASS[byte] as number) & DIGIT) === 0) return false;
    port = port * 10 + byte - 0x30;
  }
  return port <= MAX_PORT;
}

/**
 * Whether a target's authority names the same host and port as the Host field, letter case and the scheme's default port aside.
 * `schemeLength` tells `http://` (7) from `https://` (8).
 */
export function sameAuthority(
  bytes: Buffer,
  start: number,
  end: number,
  hostStart: number,
  hostEnd: number,
  schemeLength: number,
): boolean {
  const port = schemeLength === 7 ? ':80' : ':443';
  return (
    withoutPort(bytes.toString('latin1', start, end), port) ===
    withoutPort(bytes.toString('latin1', hostStart, hostEnd), port)
  );
}

function withoutPort(authority: string, port: string): string {
  const lower = authority.toLowerCase();
  return lower.endsWith(port) ? lower.slice(0, -port.length) : lower;
}

function isIpLiteral(byte: number): boolean {
  return ((CLASS[byte] as number) & AUTHORITY) !== 0 && byte !== 0x5b && byte !== 0x25;
}
