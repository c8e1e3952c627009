/**
 * What the taps of all data stores have in common: turning off, and reporting a command with its answer.
 *
 * Invariants
 * - Once it is off, a tap looks at nothing more, says so by returning false, and holds no memory worth speaking of.
 * - A fault in a parser costs the observation of one connection, never the connection.
 */
import {
  CONNECTION_CLOSED,
  DataStoreCommand,
  type DataStoreObserver,
  type DataStoreProtocol,
  type DesyncReason,
} from '../../observe/datastore.ts';
import type { StreamTap } from '../tcp/stream-tap.ts';
import { InFlight, type PendingCommand } from './in-flight.ts';

export abstract class DataStoreTap implements StreamTap {
  protected readonly observer: DataStoreObserver;
  protected inFlight: InFlight;
  /** What the observer is handed; `statusCode`, `errorType` and `errorCount` are set before `report`. */
  protected readonly command: DataStoreCommand;
  private isOff = false;
  /**
   * When answers came last, and when they came before that. Until an answer came, the server had no time for the next command. But of
   * commands whose answers came together, nobody can tell which one took the time: they have all waited for those before alone.
   */
  private lastEndedMs = 0;
  private endedBeforeMs = 0;

  constructor(protocol: DataStoreProtocol, observer: DataStoreObserver, endpoint: string, inFlight: number) {
    this.observer = observer;
    this.inFlight = new InFlight(inFlight);
    this.command = new DataStoreCommand(protocol, endpoint);
  }

  protected abstract readClient(
    bytes: Uint8Array,
    start: number,
    end: number,
    nowMs: number,
  ): DesyncReason | null;

  protected abstract readServer(
    bytes: Uint8Array,
    start: number,
    end: number,
    nowMs: number,
  ): DesyncReason | null;

  onClientBytes(bytes: Uint8Array, start: number, end: number, nowMs: number): boolean {
    if (this.isOff) return false;
    let reason: DesyncReason | null;
    try {
      reason = this.readClient(bytes, start, end, nowMs);
    } catch {
      reason = 'internal_error';
    }
    return this.goOnUnless(reason);
  }

  onServerBytes(bytes: Uint8Array, start: number, end: number, nowMs: number): boolean {
    if (this.isOff) return false;
    let reason: DesyncReason | null;
    try {
      reason = this.readServer(bytes, start, end, nowMs);
    } catch {
      reason = 'internal_error';
    }
    return this.goOnUnless(reason);
  }

  /** Commands without an answer have failed with their connection; except where the client only waited, or asked for the end. */
  onClosed(nowMs: number): void {
    if (this.isOff) return;
    this.isOff = true;
    this.inFlight.forEach((pending) => {
      if (pending.role === 'ending') return;
      this.observer.onUnmatched();
      if (pending.blocking || pending.role === 'subscribe') return;
      this.command.statusCode = '';
      this.command.errorType = CONNECTION_CLOSED;
      this.command.errorCount = 0;
      this.report(pending, nowMs, nowMs, 0);
    });
    this.inFlight = new InFlight(0);
  }

  protected report(
    pending: PendingCommand,
    firstByteMs: number,
    endedMs: number,
    responseBytes: number,
  ): void {
    const { command } = this;
    const { startedMs } = pending;
    command.operation = pending.operation;
    command.namespace = pending.namespace;
    command.target = pending.target;
    command.startedMs = startedMs;
    command.firstByteMs = firstByteMs;
    command.endedMs = endedMs;
    if (endedMs !== this.lastEndedMs) {
      this.endedBeforeMs = this.lastEndedMs;
      this.lastEndedMs = endedMs;
    }
    command.waitedMs = Math.max(this.endedBeforeMs - startedMs, 0);
    command.blocking = pending.blocking;
    command.batchSize = pending.batchSize;
    command.requestBytes = pending.requestBytes;
    command.responseBytes = responseBytes;
    this.observer.onCommand(command);
  }

  private goOnUnless(reason: DesyncReason | null): boolean {
    if (reason === null) return true;
    this.isOff = true;
    this.inFlight = new InFlight(0);
    this.observer.onDesync(reason);
    return false;
  }
}
