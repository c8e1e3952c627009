/**
 * Connections that this sidecar has made, so that one that is redirected back to it can be told.
 */
import type net from 'node:net';

export class OutgoingConnections {
  private readonly ends = new Set<string>();

  /** The connection is established; it is forgotten when it closes. */
  add(socket: net.Socket): void {
    const end = endOf(socket.localAddress, socket.localPort);
    this.ends.add(end);
    socket.once('close', () => this.ends.delete(end));
  }

  /** Whether the other end of an accepted connection is one of ours. */
  has(accepted: net.Socket): boolean {
    return this.ends.has(endOf(accepted.remoteAddress, accepted.remotePort));
  }
}

function endOf(address: string | undefined, port: number | undefined): string {
  // A socket of both families has IPv4 addresses in the form of IPv6.
  return `${address?.replace(/^::ffff:/, '')} ${port}`;
}
