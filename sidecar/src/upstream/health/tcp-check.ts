/**
 * A check that is a connection: set up as those of callers are, mTLS and all, and closed.
 */
import type { FailureKind } from '../../core/failure.ts';
import type { TransportContext } from '../../transport/transport.ts';
import { ConnectAttempt, type ConnectListener, type ConnectTarget } from '../connect.ts';
import type { Check, CheckInProgress } from './checker.ts';

export function tcpCheck(context: TransportContext, target: ConnectTarget, timeoutMs: number): Check {
  return (done) => new TcpCheck(context, target, timeoutMs, done);
}

class TcpCheck implements ConnectListener, CheckInProgress {
  private connected = false;
  private readonly attempt: ConnectAttempt;
  private readonly done: (problem: string) => void;

  constructor(
    context: TransportContext,
    target: ConnectTarget,
    timeoutMs: number,
    done: (problem: string) => void,
  ) {
    this.done = done;
    this.attempt = new ConnectAttempt(context, target, timeoutMs, this);
  }

  abort(): void {
    this.attempt.transport.destroy();
  }

  onConnected({ transport }: ConnectAttempt): void {
    this.connected = true;
    this.done('');
    transport.destroy();
  }

  onConnectFailed(_attempt: ConnectAttempt, failure: FailureKind, detail: string): void {
    // That the connection is closed again is no failure.
    if (!this.connected) this.done(`${failure.name}: ${detail}`);
  }
}
