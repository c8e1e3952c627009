import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SplitPlan } from './split.ts';

/**
 * Writes the pieces as packets of their own: the event loop turns between two writes, so the reader has taken the first one.
 * Stops without an error where the peer has closed or `stop` says so, which is what a client does that was refused half-way.
 */
export async function writePackets(
  socket: Socket,
  bytes: string,
  plan: SplitPlan,
  stop: () => boolean = () => false,
): Promise<void> {
  const pieces = plan.cut(bytes);
  for (let i = 0; i < pieces.length; i++) {
    if (i > 0) await nextTurn();
    if (!socket.writable || stop()) return;
    socket.write(pieces[i] ?? '', 'latin1');
  }
}
