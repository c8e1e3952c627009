/**
 * Socket addresses as people write them (`127.0.0.1:8080`, `[::1]:8080`, `redis.demo.svc:6379`) and as the data path
 * wants them ({ host, port }). Hosts carry no brackets once parsed and names are lower-cased, so that two spellings
 * of one address are equal.
 */
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';

export type Address = { readonly host: string; readonly port: number };

/** Either the address or what is wrong with it, phrased to follow the place it stands in. */
export type AddressResult =
  | { readonly address: Address }
  | { readonly message: string; readonly suggestion: string | null };

/** `listen` may ask for any free port (0) and must name an interface; `connect` may name a host and needs a port. */
export type AddressUse = 'listen' | 'connect';

const MAX_PORT = 65_535;
const NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;

export function parseAddress(text: string, use: AddressUse): AddressResult {
  const match = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:]*)$/.exec(text);
  if (match === null) return { message: 'is not a host:port address', suggestion: suggestAddress(text) };

  const bracketed = match[1];
  const host = (bracketed ?? match[2] ?? '').toLowerCase();
  const portText = match[3] ?? '';
  const hostError = bracketed === undefined ? checkHost(host, use, portText) : checkIPv6(host);
  if (hostError !== null) return hostError;

  if (!/^\d{1,5}$/.test(portText) || Number(portText) > MAX_PORT) {
    return { message: `has a port out of range: "${portText}"`, suggestion: `use ${portRange(use)}` };
  }
  const port = Number(portText);
  if (port === 0 && use === 'connect') {
    return {
      message: 'has port 0, to which nothing can connect',
      suggestion: 'use the port the service listens on',
    };
  }
  return { address: { host, port } };
}

export function formatAddress(address: Address): string {
  return isIPv6(address.host) ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** With an IPv6 host in the one form that RFC 5952 has for it. */
export function canonicalAddress({ host, port }: Address): Address {
  return isIPv6(host) ? { host: new URL(`http://[${host}]`).hostname.slice(1, -1), port } : { host, port };
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** True for hosts only this machine can reach. IPv4-mapped IPv6 counts by the IPv4 address inside it. */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  if (family === 0) return host === 'localhost';
  return loopback.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

export function isHostName(host: string): boolean {
  // An all-numeric last label is a mistyped IPv4 address; resolvers would read it as one, in surprising ways.
  return NAME.test(host) && !/(^|\.)\d+$/.test(host);
}

function checkHost(
  host: string,
  use: AddressUse,
  port: string,
): Exclude<AddressResult, { address: Address }> | null {
  if (host === '') return { message: 'has no host', suggestion: `did you mean "127.0.0.1:${port}"?` };
  if (isIPv4(host) || host === 'localhost') return null;
  if (use === 'listen') {
    return {
      message: `must listen on an IP address or localhost, not "${host}"`,
      suggestion: 'use 127.0.0.1 for this machine alone or 0.0.0.0 for every interface',
    };
  }
  if (isHostName(host)) return null;
  return { message: `has a host that is neither a name nor an IP address: "${host}"`, suggestion: null };
}

function checkIPv6(host: string): Exclude<AddressResult, { address: Address }> | null {
  if (isIPv6(host)) return null;
  return { message: `has brackets around "${host}", which is not an IPv6 address`, suggestion: null };
}

function suggestAddress(text: string): string | null {
  if (/^\d{1,5}$/.test(text)) return `did you mean "127.0.0.1:${text}"?`;
  // A bare IPv6 address and one with a port look alike; the reading with a port is the likelier intent.
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(text) ?? [];
  if (isIPv6(host)) return `put an IPv6 address in brackets: "[${host}]:${port}"`;
  if (isIPv6(text)) return `put an IPv6 address in brackets and add a port: "[${text}]:8080"`;
  if (/^[a-z]+:\/\//.test(text)) return 'leave out the scheme and the path: host:port alone';
  if (isIPv4(text) || isHostName(text.toLowerCase())) return `add a port: "${text}:8080"`;
  return 'write 127.0.0.1:8080, or "[::1]:8080" for IPv6';
}

function portRange(use: AddressUse): string {
  return use === 'listen' ? `0 (any free port) to ${MAX_PORT}` : `1 to ${MAX_PORT}`;
}
