/**
 * Tells TLS from what is spoken in clear by the first byte of a connection, where a listener takes both.
 *
 * Invariants: a connection is told apart once, or closed: when it ends, or says nothing for as long as a handshake may take. So a protocol whose
 * server speaks first can't be spoken in clear here.
 */
import type net from 'node:net';
import type { Clock } from '../core/clock.ts';

const TLS_HANDSHAKE = 0x16;

export interface FirstBytesListener {
  /** The bytes are in the socket again. */
  onTls(socket: net.Socket): void;
  /** `bytes` were read from the socket. */
  onPlain(socket: net.Socket, bytes: Buffer): void;
}

export class FirstBytes {
  private readonly clock: Clock;
  private readonly timeoutMs: number;
  private readonly listener: FirstBytesListener;
  private readonly waiting = new Set<net.Socket>();

  constructor(clock: Clock, timeoutMs: number, listener: FirstBytesListener) {
    this.clock = clock;
    this.timeoutMs = timeoutMs;
    this.listener = listener;
  }

  /** The socket has not been read. */
  await(socket: net.Socket): void {
    const giveUp = (): void => void socket.destroy();
    const timer = this.clock.setTimer(giveUp, this.timeoutMs);
    const settle = (): void => {
      timer.cancel();
      this.waiting.delete(socket);
      socket.off('readable', look);
      socket.off('end', giveUp);
      socket.off('error', giveUp);
      socket.off('close', settle);
    };
    const look = (): void => {
      const bytes = socket.read() as Buffer | null;
      if (bytes === null) return;
      settle();
      if (bytes[0] !== TLS_HANDSHAKE) {
        this.listener.onPlain(socket, bytes);
        return;
      }
      socket.unshift(bytes);
      this.listener.onTls(socket);
    };
    this.waiting.add(socket);
    socket.on('readable', look);
    socket.on('end', giveUp);
    socket.on('error', giveUp);
    socket.on('close', settle);
  }

  /** Who has said nothing yet has nothing to lose. */
  close(): void {
    for (const socket of this.waiting) socket.destroy();
  }
}
