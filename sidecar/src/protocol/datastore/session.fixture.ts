// What tests of the taps share: an observer that keeps everything, and sessions that are played whole or in pieces.
import { deepStrictEqual } from 'node:assert/strict';
import { type DataStoreCommand, DataStoreNames, type DataStoreObserver } from '../../observe/datastore.ts';
import type { StreamTap } from '../tcp/stream-tap.ts';

export interface Seen {
  readonly operation: string;
  readonly namespace: string;
  readonly target: string;
  readonly statusCode: string;
  readonly errorType: string;
  readonly errorCount: number;
  readonly blocking: boolean;
  readonly batchSize: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly startedMs: number;
  readonly firstByteMs: number;
  readonly endedMs: number;
  readonly waitedMs: number;
}

export class CollectingObserver implements DataStoreObserver {
  readonly names = new DataStoreNames();
  readonly commands: Seen[] = [];
  readonly desyncs: string[] = [];
  unmatched = 0;

  onCommand(command: DataStoreCommand): void {
    const { protocol: _protocol, endpoint: _endpoint, ...seen } = command;
    this.commands.push(seen);
  }

  onDesync(reason: string): void {
    this.desyncs.push(reason);
  }

  onUnmatched(): void {
    this.unmatched++;
  }

  /** One short line a command: name and target, and what was special. */
  get lines(): string[] {
    return this.commands.map((each) =>
      [
        each.operation,
        each.target,
        each.blocking ? 'blocking' : '',
        each.batchSize > 0 ? `x${each.batchSize}` : '',
        each.statusCode === '' || each.statusCode === each.errorType ? '' : `(${each.statusCode})`,
        each.errorType === '' ? '' : `!${each.errorType}`,
      ]
        .filter((part) => part !== '')
        .join(' '),
    );
  }
}

/** Bytes in the order in which a relay saw them. */
export interface Piece {
  readonly from: 'client' | 'server';
  readonly bytes: Uint8Array;
  readonly atMs?: number;
}

export function client(bytes: string | Uint8Array, atMs = 0): Piece {
  return { from: 'client', bytes: Buffer.from(bytes as string), atMs };
}

export function server(bytes: string | Uint8Array, atMs = 0): Piece {
  return { from: 'server', bytes: Buffer.from(bytes as string), atMs };
}

/** Cuts every piece after at most `size` bytes. */
export function cutInto(pieces: readonly Piece[], size: number): Piece[] {
  return pieces.flatMap(({ bytes, ...piece }) =>
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => ({
      ...piece,
      bytes: bytes.subarray(i * size, (i + 1) * size),
    })),
  );
}

/** What is seen must not depend on how the bytes come; returns it. */
export function playInPieces(
  watch: (pieces: readonly Piece[]) => CollectingObserver,
  pieces: readonly Piece[],
): CollectingObserver {
  const whole = watch(pieces);
  for (const size of [1, 2, 3, 7]) deepStrictEqual(outcome(watch(cutInto(pieces, size))), outcome(whole));
  return whole;
}

export function outcome({ commands, desyncs, unmatched }: CollectingObserver) {
  return { commands, desyncs, unmatched };
}

/** Plays a session as a relay does: bytes lie somewhere in a buffer that is overwritten right after the call. */
export function play(tap: StreamTap, pieces: readonly Piece[], closes = true): void {
  let lastMs = 0;
  for (const { from, bytes, atMs = 0 } of pieces) {
    lastMs = atMs;
    const buffer = Buffer.alloc(bytes.length + 5, 0x2a);
    buffer.set(bytes, 2);
    const isOn =
      from === 'client'
        ? tap.onClientBytes(buffer, 2, bytes.length + 2, atMs)
        : tap.onServerBytes(buffer, 2, bytes.length + 2, atMs);
    buffer.fill(0xff);
    if (!isOn) break;
  }
  if (closes) tap.onClosed(lastMs);
}
