/**
 * Where a connection was meant to go before netfilter redirected it (REDIRECT, DNAT): the kernel tells by a socket option that Node
 * has no call for, so it is asked through Node's foreign function interface.
 *
 * Invariant: only loaded when config asks for captured connections. A Node that can't is an error at the start, not at the first connection.
 */
import type net from 'node:net';
import { type Address, canonicalAddress } from '../config/address.ts';

/** Null when the connection was not redirected. */
export type OriginalDestination = (socket: net.Socket) => Address | null;

const SOL_IP = 0;
const SOL_IPV6 = 41;
const SO_ORIGINAL_DST = 80;
/** struct sockaddr_in and sockaddr_in6: family, port, then the address. */
const SOCKADDR_BYTES = 28;
const PORT_AT = 2;
const IPV4_AT = 4;
const IPV6_AT = 8;

type GetSockOpt = (fd: number, level: number, option: number, value: Buffer, length: Buffer) => number;

export async function openOriginalDestination(): Promise<OriginalDestination> {
  const getsockopt = await loadGetSockOpt();
  const value = Buffer.alloc(SOCKADDR_BYTES);
  const length = Buffer.alloc(4);
  return (socket) => {
    const fd = (socket as unknown as { _handle: { fd: number } | null })._handle?.fd ?? -1;
    const { localAddress = '', localPort } = socket;
    // An IPv4 connection to a socket of both families is known to netfilter as what it is.
    const v6 = localAddress.includes(':') && !localAddress.startsWith('::ffff:');
    length.writeInt32LE(SOCKADDR_BYTES);
    if (getsockopt(fd, v6 ? SOL_IPV6 : SOL_IP, SO_ORIGINAL_DST, value, length) !== 0) return null;
    const port = value.readUInt16BE(PORT_AT);
    const host = v6 ? readIPv6(value) : value.subarray(IPV4_AT, IPV4_AT + 4).join('.');
    const original = canonicalAddress({ host, port });
    const own = original.host === localAddress.replace(/^::ffff:/, '') && port === localPort;
    return own ? null : original;
  };
}

async function loadGetSockOpt(): Promise<GetSockOpt> {
  try {
    const { dlopen } = await import('node:ffi');
    const { functions } = dlopen(null, {
      getsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'buffer'], return: 'i32' },
    });
    return functions.getsockopt as unknown as GetSockOpt;
  } catch (error) {
    throw new Error(
      'captured connections need node:ffi to ask the kernel where they were meant to go, and it is not available: run Node 26 ' +
        'without --no-experimental-ffi, and with --allow-ffi if permissions are restricted, or remove `capture` and ' +
        `\`inboundCapture\` from the config (${error instanceof Error ? error.message : error})`,
    );
  }
}

function readIPv6(value: Buffer): string {
  const groups: string[] = [];
  for (let at = IPV6_AT; at < IPV6_AT + 16; at += 2) groups.push(value.readUInt16BE(at).toString(16));
  return groups.join(':');
}
