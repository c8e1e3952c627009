/**
 * Reads of accepted sockets into the shared buffer. Node offers `onread` for sockets that connect, but not for sockets that a
 * server accepts; there every read costs an allocation of 64 KB and a pass through the Readable machinery. The same three slots
 * that `onread` fills can be filled on an accepted socket: docs/decisions/0002-shared-read-buffer.md has the reasons and numbers.
 *
 * Invariants: when this Node has no such slots, reads go through 'data' events, slower but the same; a test compares the two.
 */
import net from 'node:net';
import type { TLSSocket } from 'node:tls';

type Slots = Record<symbol, unknown>;

interface StreamHandle {
  useUserBuffer(buffer: Uint8Array): void;
}

const probe = new net.Socket({ onread: { buffer: Buffer.alloc(1), callback: () => true } });
const symbols = Object.getOwnPropertySymbols(probe);
const bufferSlot = symbols.find((symbol) => symbol.description === 'kBuffer');
const callbackSlot = symbols.find((symbol) => symbol.description === 'kBufferCb');
probe.destroy();

/** Whether accepted sockets of this Node can read into a shared buffer. */
export const sharesAcceptedReads = bufferSlot !== undefined && callbackSlot !== undefined;

/** Starts reading an accepted socket. `callback` must consume `buffer[0, count)` before it returns. */
export function readAccepted(
  socket: net.Socket | TLSSocket,
  buffer: Buffer,
  callback: (count: number, buffer: Uint8Array) => boolean,
): void {
  const handle = (socket as unknown as { _handle: StreamHandle | null })._handle;
  if (handle === null) return;
  if (bufferSlot !== undefined && callbackSlot !== undefined && typeof handle.useUserBuffer === 'function') {
    const slots = socket as unknown as Slots;
    slots[bufferSlot] = buffer;
    slots[callbackSlot] = callback;
    handle.useUserBuffer(buffer);
    socket.resume();
  } else {
    socket.on('data', (chunk: Buffer) => callback(chunk.length, chunk));
  }
}
