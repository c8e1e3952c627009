/**
 * Sets up connections to one endpoint, plain or mTLS, until they can carry an exchange.
 *
 * Invariants: an attempt ends once: with a connection, or with the failure that a caller would want to see. TCP and TLS together
 * have one deadline.
 */
import net from 'node:net';
import tls from 'node:tls';
import { Failure, type FailureKind } from '../core/failure.ts';
import { Transport, type TransportContext, type TransportHandler } from '../transport/transport.ts';

/** How often the kernel asks a silent peer whether it is still there. */
const KEEP_ALIVE_MS = 30_000;

export interface ConnectTarget {
  readonly host: string;
  readonly port: number;
  /** Options of the handshake, made anew for each connection so that a rotated certificate is used; null for plain TCP. */
  readonly tlsOptions: (() => tls.ConnectionOptions) | null;
  /** What is offered in a TLS handshake, the preferred first. */
  readonly alpnProtocols?: readonly string[];
  /** SPIFFE id that the handshake insists on; empty for plain TCP. */
  readonly identity: string;
}

export interface ConnectListener {
  onConnected(attempt: ConnectAttempt): void;
  onConnectFailed(attempt: ConnectAttempt, failure: FailureKind, detail: string): void;
}

/** One attempt. Once connected, its transport is given to a codec. */
export class ConnectAttempt implements TransportHandler {
  readonly transport: Transport;
  readonly startedMs: number;
  private readonly target: ConnectTarget;
  private readonly listener: ConnectListener;
  private readonly timeoutMs: number;
  /** When the handshake of TLS began; 0 before that. */
  private handshakeMs = 0;
  private tcpConnected = false;
  private failed = false;

  constructor(
    context: TransportContext,
    target: ConnectTarget,
    timeoutMs: number,
    listener: ConnectListener,
  ) {
    this.target = target;
    this.listener = listener;
    this.timeoutMs = timeoutMs;
    const onread = {
      buffer: context.readBuffer,
      callback: (count: number, buffer: Uint8Array): boolean => this.transport.receive(count, buffer),
    };
    const tcp = { host: target.host, port: target.port, noDelay: true, keepAlive: true };
    const keepAlive = { keepAliveInitialDelay: KEEP_ALIVE_MS, allowHalfOpen: true, onread };
    const secure = target.tlsOptions;
    const alpn = target.alpnProtocols === undefined ? {} : { ALPNProtocols: target.alpnProtocols };
    const socket =
      secure === null
        ? net.connect({ ...tcp, ...keepAlive })
        : tls.connect({ ...tcp, ...keepAlive, ...alpn, ...secure() } as tls.ConnectionOptions);
    this.transport = new Transport(context, socket, secure !== null);
    this.transport.handler = this;
    this.startedMs = context.clock.monotonicMs();
    this.transport.deadlineMs = this.startedMs + timeoutMs;
    socket.once('connect', () => {
      this.tcpConnected = true;
      context.outgoing?.add(socket);
      if (secure === null) this.succeed();
      else this.handshakeMs = context.clock.monotonicMs();
    });
    socket.once('secureConnect', () => this.succeed());
  }

  /** Milliseconds that the handshake of TLS took, once it is over; 0 without one. */
  get tlsMs(): number {
    return this.handshakeMs === 0 ? 0 : this.transport.context.nowMs - this.handshakeMs;
  }

  /** Nothing is said before a connection is set up. */
  onBytes(): void {
    this.transport.destroy();
  }

  onPeerEnd(): void {
    this.transport.destroy();
  }

  onDrained(): void {}

  onDeadline(): void {
    this.fail(Failure.connectTimeout, `${this.describe()}: not set up within ${this.timeoutMs} ms`);
    this.transport.destroy();
  }

  onClosed(error: Error | null): void {
    this.fail(this.tcpConnected ? Failure.tlsFailed : Failure.connectRefused, this.explain(error));
  }

  private succeed(): void {
    if (this.failed) return;
    const { context } = this.transport;
    context.nowMs = context.clock.monotonicMs();
    this.listener.onConnected(this);
    context.output.flush();
  }

  private fail(failure: FailureKind, detail: string): void {
    if (this.failed) return;
    this.failed = true;
    this.listener.onConnectFailed(this, failure, detail);
  }

  private explain(error: Error | null): string {
    const cause = error === null ? 'the peer closed the connection' : error.message;
    return `${this.describe()}: ${cause}`;
  }

  private describe(): string {
    const { host, port, identity } = this.target;
    return identity === '' ? `${host}:${port}` : `${host}:${port} as ${identity}`;
  }
}
