/**
 * Accepts connections, plain or mTLS, finds out what each speaks, and hands it to the codec for that.
 *
 * Invariants
 * - Connections are bounded; one too many is closed at once.
 * - A rotated certificate serves new handshakes; open connections go on.
 * - Draining: nothing new is accepted, idle connections close, exchanges under way complete until the deadline cuts them off.
 */
import net from 'node:net';
import tls from 'node:tls';
import { LIMITS } from '../core/limits.ts';
import type { Route } from '../core/route.ts';
import type { RequestHead } from '../protocol/head.ts';
import { Transport, type TransportContext } from '../transport/transport.ts';
import { ALPN_PROTOCOLS, codecOfAlpn, createConnection, type HttpCodec } from './codecs.ts';
import type { ConnectionOwner, DownstreamConnection } from './connection.ts';
import { DetectingConnection, type DetectionOwner } from './detecting-connection.ts';

const KEEP_ALIVE_MS = 30_000;

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly context: TransportContext;
  readonly observer: ListenerObserver;
  /** Null for a plain listener. */
  readonly security: ListenerSecurity | null;
  routeFor(request: RequestHead): Route;
  /** For requests whose head can't be read. */
  fallback(): Route;
}

export interface ListenerSecurity {
  readonly tlsOptions: tls.TlsOptions;
  /** SPIFFE id of the peer; null when it is not one to talk to. */
  peerIdentity(socket: tls.TLSSocket): string | null;
}

/** What the listener tells about connections, for metrics. */
export interface ListenerObserver {
  onOpened(secure: boolean): void;
  onClosed(): void;
  /** Closed at once, because there were too many. */
  onRejected(): void;
  onHandshakeFailed(reason: string): void;
}

export class Listener implements ConnectionOwner, DetectionOwner {
  draining = false;
  private readonly options: ListenerOptions;
  private readonly server: net.Server | tls.Server;
  private readonly connections = new Set<DownstreamConnection>();
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
    if (security === null) {
      this.server = net.createServer({ ...common, pauseOnConnect: true }, (socket) =>
        this.accept(socket, '', false),
      );
    } else {
      const secure = {
        ...common,
        ...security.tlsOptions,
        ALPNProtocols: ALPN_PROTOCOLS,
        handshakeTimeout: options.fallback().timeouts.connectMs,
      };
      this.server = tls.createServer(secure, (socket) => this.acceptSecure(socket, security));
      this.server.on('tlsClientError', (error, socket) => {
        // The reason of a refused certificate is on the socket; the error says that the connection broke.
        const { authorizationError } = socket as { authorizationError?: Error | string | null };
        observer.onHandshakeFailed(String(authorizationError ?? error.message));
      });
    }
    this.server.maxConnections = LIMITS.downstreamConnections;
    this.server.on('drop', () => observer.onRejected());
  }

  /** Settles with the port. */
  listen(): Promise<number> {
    const { host, port } = this.options;
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
    if (this.server instanceof tls.Server) this.server.setSecureContext(options);
  }

  routeFor(request: RequestHead): Route {
    return this.options.routeFor(request);
  }

  /** Settles when the last connection is gone. */
  drain(): Promise<void> {
    this.draining = true;
    this.server.close();
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

  onGone(connection: DownstreamConnection): void {
    if (!this.connections.delete(connection)) return;
    this.options.observer.onClosed();
    if (this.connections.size === 0) this.drained?.();
  }

  private acceptSecure(socket: tls.TLSSocket, security: ListenerSecurity): void {
    const identity = security.peerIdentity(socket);
    if (identity === null) {
      this.options.observer.onHandshakeFailed('the peer has no acceptable SPIFFE id');
      socket.destroy();
      return;
    }
    this.accept(socket, identity, true);
  }

  onDetected(
    connection: DetectingConnection,
    codec: HttpCodec,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    this.connections.delete(connection);
    const { transport, peerIdentity } = connection;
    this.serve(codec, transport, peerIdentity);
    transport.handler.onBytes(bytes, start, end);
  }

  private accept(socket: net.Socket, identity: string, secure: boolean): void {
    const transport = new Transport(this.options.context, socket, secure);
    this.options.observer.onOpened(secure);
    const codec = secure ? codecOfAlpn((socket as tls.TLSSocket).alpnProtocol) : null;
    if (codec === null) {
      const { headMs } = this.options.fallback().timeouts;
      this.add(new DetectingConnection(transport, this, headMs, identity));
    } else {
      this.serve(codec, transport, identity);
    }
    transport.startReading();
  }

  private serve(codec: HttpCodec, transport: Transport, identity: string): void {
    this.add(createConnection(codec, transport, this, this.options.fallback(), identity));
  }

  private add(connection: DownstreamConnection): void {
    this.connections.add(connection);
    connection.start();
    if (this.draining) connection.drain();
  }
}
