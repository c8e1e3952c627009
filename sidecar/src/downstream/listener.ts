/**
 * Accepts connections, plain, mTLS or both, and keeps those that are open.
 *
 * Invariants
 * - Connections are bounded; one too many is closed at once.
 * - A rotated certificate serves new handshakes; open connections go on.
 * - Draining: nothing new is accepted, idle connections close, exchanges under way complete until the deadline cuts them off.
 */
import net from 'node:net';
import tls from 'node:tls';
import type { Address } from '../config/address.ts';
import { LIMITS } from '../core/limits.ts';
import { Transport, type TransportContext } from '../transport/transport.ts';
import { Arrival, type ArrivalOwner, type ConnectionKind } from './arrival.ts';
import type { Destination } from './destination.ts';
import { FirstBytes } from './first-bytes.ts';
import { type HandshakeFailure, handshakeFailureOf } from './handshake-failure.ts';

const KEEP_ALIVE_MS = 30_000;

export interface ListenerOptions {
  readonly context: TransportContext;
  readonly observer: ListenerObserver;
  /** Null for a plain listener. */
  readonly security: ListenerSecurity | null;
  /** Of a connection that was just accepted; null when it was handed to another listener. `proven`: the peer has an identity. */
  destinationOf(socket: net.Socket, proven: boolean): Destination | null;
  readonly handshakeTimeoutMs: number;
}

export interface ListenerSecurity {
  /** What does not begin with a handshake is taken as it is, without an identity. */
  readonly permissive: boolean;
  readonly tlsOptions: tls.TlsOptions;
  /** What is offered in a handshake, the preferred first; null for nothing. */
  readonly alpnProtocols: readonly string[] | null;
  /** SPIFFE id of the peer; null when it is not one to talk to. */
  peerIdentity(socket: tls.TLSSocket): string | null;
  /** SPIFFE id of a peer that is one to talk to but for the deny list; null for all others. */
  deniedIdentity(socket: tls.TLSSocket): string | null;
}

/** What the listener tells about connections, for metrics. */
export interface ListenerObserver {
  onOpened(): void;
  /** `acceptMs`: from accept to the end of a handshake that succeeded. */
  onSecured(acceptMs: number): void;
  /** One that could have proved who it is, and spoke in clear. */
  onPlaintext(): void;
  onClosed(): void;
  /** Closed at once, because there were too many. */
  onRejected(): void;
  /** `peerIdentity` is empty unless it is the reason. `nowMs` is monotonic. */
  onHandshakeFailed(reason: HandshakeFailure, peerAddress: string, peerIdentity: string, nowMs: number): void;
  /** What a connection turned out to speak. */
  onRecognised(kind: ConnectionKind): void;
}

export class Listener implements ArrivalOwner {
  draining = false;
  private readonly options: ListenerOptions;
  private readonly server: net.Server | tls.Server;
  /** The one that makes handshakes; null where there are none. */
  private secureServer: tls.Server | null = null;
  private firstBytes: FirstBytes | null = null;
  private readonly connections = new Set<Arrival>();
  /** When sockets came whose handshake is not over; monotonic. */
  private readonly acceptedMs = new WeakMap<net.Socket, number>();
  private drained: (() => void) | null = null;

  constructor(options: ListenerOptions) {
    this.options = options;
    const common = {
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    };
    const { security, observer } = options;
    const plain = { ...common, pauseOnConnect: true };
    if (security === null) {
      this.server = net.createServer(plain, (socket) => void this.accept(socket, '', false));
    } else {
      const secureServer = this.createSecureServer(common, security);
      this.secureServer = secureServer;
      this.server = security.permissive
        ? net.createServer(plain, (socket) => this.tellApart(socket, secureServer))
        : secureServer;
    }
    this.server.maxConnections = LIMITS.downstreamConnections;
    this.server.on('drop', () => observer.onRejected());
  }

  /** Settles with the port. */
  listen({ host, port }: Address): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ host, port }, () => {
        this.server.off('error', reject);
        this.server.on('error', () => {
          // Accepting failed for one connection (file descriptors); the listener itself goes on.
        });
        resolve((this.server.address() as net.AddressInfo).port);
      });
    });
  }

  /** New handshakes use another certificate. */
  setCertificate(options: tls.SecureContextOptions): void {
    this.secureServer?.setSecureContext(options);
  }

  /** Serves a connection that was accepted elsewhere. Its socket has not been read. */
  take(socket: net.Socket): void {
    this.server.emit('connection', socket);
  }

  /** Settles when the last connection is gone. */
  drain(): Promise<void> {
    this.draining = true;
    this.server.close();
    this.firstBytes?.close();
    for (const connection of this.connections) connection.drain();
    if (this.connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.drained = resolve;
    });
  }

  /** Ends what the drain deadline found unfinished. */
  cutOff(): void {
    for (const connection of this.connections) connection.cutOff();
  }

  onRecognised(kind: ConnectionKind): void {
    this.options.observer.onRecognised(kind);
  }

  onGone(arrival: Arrival): void {
    if (!this.connections.delete(arrival)) return;
    this.options.observer.onClosed();
    if (this.connections.size === 0) this.drained?.();
  }

  private createSecureServer(common: tls.TlsOptions, security: ListenerSecurity): tls.Server {
    const { handshakeTimeoutMs } = this.options;
    const secure = {
      ...common,
      ...security.tlsOptions,
      ...(security.alpnProtocols === null ? {} : { ALPNProtocols: [...security.alpnProtocols] }),
      handshakeTimeout: handshakeTimeoutMs,
    };
    const server = tls.createServer(secure, (socket) => this.acceptSecure(socket, security));
    server.prependListener('connection', (socket) => this.noteAccepted(socket));
    server.on('tlsClientError', (error, socket) => {
      // The reason of a refused certificate is on the socket; the error says that the connection broke.
      const { authorizationError } = socket as { authorizationError?: Error | string | null };
      this.refuse(socket, handshakeFailureOf(error, authorizationError));
    });
    return server;
  }

  /** Of a handshake that took too long Node tells, and leaves the connection open. */
  private refuse(socket: tls.TLSSocket, reason: HandshakeFailure, identity = ''): void {
    const { observer, context } = this.options;
    observer.onHandshakeFailed(reason, socket.remoteAddress ?? '', identity, context.clock.monotonicMs());
    socket.destroy();
  }

  private noteAccepted(socket: net.Socket): void {
    if (!this.acceptedMs.has(socket)) this.acceptedMs.set(socket, this.options.context.clock.monotonicMs());
  }

  private tellApart(socket: net.Socket, secureServer: tls.Server): void {
    this.noteAccepted(socket);
    const { context, handshakeTimeoutMs, observer } = this.options;
    this.firstBytes ??= new FirstBytes(context.clock, handshakeTimeoutMs, {
      onTls: (opening) => void secureServer.emit('connection', opening),
      onPlain: (opening, bytes) => {
        observer.onPlaintext();
        this.accept(opening, '', false)?.receive(bytes.length, bytes);
      },
    });
    this.firstBytes.await(socket);
  }

  private acceptSecure(socket: tls.TLSSocket, security: ListenerSecurity): void {
    const identity = security.peerIdentity(socket);
    if (identity === null) {
      const denied = security.deniedIdentity(socket);
      if (denied === null) this.refuse(socket, 'no_identity');
      else this.refuse(socket, 'denied', denied);
      return;
    }
    this.accept(socket, identity, true, this.acceptMsOf(socket));
  }

  private acceptMsOf(socket: tls.TLSSocket): number {
    const accepted = (socket as unknown as { readonly _parent?: net.Socket })._parent;
    const nowMs = this.options.context.clock.monotonicMs();
    return nowMs - ((accepted && this.acceptedMs.get(accepted)) ?? nowMs);
  }

  private accept(socket: net.Socket, identity: string, secure: boolean, acceptMs = 0): Transport | null {
    const { context, observer, destinationOf } = this.options;
    const destination = destinationOf(socket, identity !== '');
    if (destination === null) return null;
    const transport = new Transport(context, socket, secure);
    const arrival = new Arrival(transport, this, destination, identity);
    this.connections.add(arrival);
    observer.onOpened();
    if (secure) observer.onSecured(acceptMs);
    transport.acceptMs = acceptMs;
    arrival.begin(secure ? (socket as tls.TLSSocket).alpnProtocol : null);
    if (this.draining) arrival.drain();
    return transport;
  }
}
