/**
 * Observes one listener: what is counted, and a line in access log and audit log for whoever did not get in.
 */
import { Failure } from '../core/failure.ts';
import type { ConnectionKind } from '../downstream/arrival.ts';
import type { HandshakeFailure } from '../downstream/handshake-failure.ts';
import type { ListenerObserver } from '../downstream/listener.ts';
import type { AuditLog } from '../filters/audit/audit-log.ts';
import type { AccessLog } from './access-log.ts';
import type { ListenerSeries } from './series.ts';

export class ListenerWatch implements ListenerObserver {
  private readonly series: ListenerSeries;
  private readonly log: AccessLog | null;
  private readonly audit: AuditLog;
  private readonly logOrigin: Buffer;

  /** `logOrigin` is the beginning of every line; see `lineOrigin`. */
  constructor(series: ListenerSeries, log: AccessLog | null, audit: AuditLog, logOrigin: Buffer) {
    this.series = series;
    this.log = log;
    this.audit = audit;
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

  onHandshakeFailed(
    reason: HandshakeFailure,
    peerAddress: string,
    peerIdentity: string,
    nowMs: number,
  ): void {
    this.series.onHandshakeFailed(reason);
    this.audit.appendHandshake(reason, peerAddress, peerIdentity, nowMs, this.logOrigin);
    this.log?.appendRefusal(Failure.handshakeFailed, reason, peerAddress, nowMs, this.logOrigin);
  }

  onRecognised(kind: ConnectionKind): void {
    this.series.onRecognised(kind);
  }
}
