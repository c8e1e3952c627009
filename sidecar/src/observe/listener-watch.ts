/**
 * Observes one listener: what is counted, and a line in the access log for whoever did not get in.
 */
import { Failure } from '../core/failure.ts';
import type { ConnectionKind } from '../downstream/arrival.ts';
import type { HandshakeFailure } from '../downstream/handshake-failure.ts';
import type { ListenerObserver } from '../downstream/listener.ts';
import type { AccessLog } from './access-log.ts';
import type { ListenerSeries } from './series.ts';

export class ListenerWatch implements ListenerObserver {
  private readonly series: ListenerSeries;
  private readonly log: AccessLog | null;
  private readonly logOrigin: Buffer;

  /** `logOrigin` is the beginning of every line; see `AccessLog.originOf`. */
  constructor(series: ListenerSeries, log: AccessLog | null, logOrigin: Buffer) {
    this.series = series;
    this.log = log;
    this.logOrigin = logOrigin;
  }

  onOpened(): void {
    this.series.onOpened();
  }

  onSecured(acceptMs: number): void {
    this.series.onSecured(acceptMs);
  }

  onPlaintext(): void {
    this.series.onPlaintext();
  }

  onClosed(): void {
    this.series.onClosed();
  }

  onRejected(): void {
    this.series.onRejected();
  }

  onHandshakeFailed(reason: HandshakeFailure, peerAddress: string, nowMs: number): void {
    this.series.onHandshakeFailed(reason);
    this.log?.appendRefusal(Failure.handshakeFailed, reason, peerAddress, nowMs, this.logOrigin);
  }

  onRecognised(kind: ConnectionKind): void {
    this.series.onRecognised(kind);
  }
}
