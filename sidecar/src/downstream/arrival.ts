/**
 * A connection from accept to end: finds out what it speaks, makes the codec for that, and is whom the codec reports to.
 *
 * Invariants
 * - Who speaks is found out once, by ALPN, by config or by the first bytes; after that the codec has the connection to itself.
 * - At most `LIMITS.detectBytes` bytes are kept to find out, or `LIMITS.clientHelloBytes` of a ClientHello; they go on exactly as they came.
 * - A client that is silent for `detectMs` may wait for its server to speak first, so the endpoint is connected. But only a word of
 *   the server makes it TCP: an HTTP client that takes its time is still recognised, and never gets around the filters.
 */
import { Failure, type FailureKind } from '../core/failure.ts';
import type { Route } from '../core/route.ts';
import type { AccessOutcome } from '../filters/access/outcome.ts';
import { detect, type Verdict } from '../protocol/detect.ts';
import type { RequestHead } from '../protocol/head.ts';
import { HANDLING } from '../protocol/protocol.ts';
import { TcpRelay } from '../protocol/tcp/relay.ts';
import type { TcpRoute } from '../protocol/tcp/tcp-route.ts';
import { readClientHello } from '../protocol/tls-hello.ts';
import type { Transport, TransportHandler } from '../transport/transport.ts';
import { codecOfAlpn, createConnection, type HttpCodec, RELAY_ALPN } from './codecs.ts';
import type { ConnectionOwner, DownstreamConnection } from './connection.ts';
import { type Destination, leadsSomewhere } from './destination.ts';

export interface ArrivalOwner {
  readonly draining: boolean;
  /** What the connection turned out to speak. */
  onRecognised(codec: ConnectionKind): void;
  onGone(arrival: Arrival): void;
}

export type ConnectionKind = HttpCodec | 'tcp';

const NO_BYTES = Buffer.alloc(0);

export class Arrival implements ConnectionOwner, TransportHandler {
  private readonly transport: Transport;
  private readonly owner: ArrivalOwner;
  private readonly destination: Destination;
  private readonly peerIdentity: string;
  /** What serves the connection; null while that is being found out. */
  private connection: DownstreamConnection | null = null;
  private held: Buffer = NO_BYTES;
  private ahead: TcpRelay | null = null;
  /** The bytes are a ClientHello, and its server name is what is waited for. */
  private readingHello = false;

  constructor(transport: Transport, owner: ArrivalOwner, destination: Destination, peerIdentity: string) {
    this.transport = transport;
    this.owner = owner;
    this.destination = destination;
    this.peerIdentity = peerIdentity;
    transport.handler = this;
  }

  /** `alpn` is what a TLS handshake agreed on, if it did. */
  begin(alpn: string | false | null): void {
    const { transport, destination } = this;
    const { context } = transport;
    context.nowMs = context.clock.monotonicMs();
    const handling = HANDLING[destination.protocol];
    const codec = codecOfAlpn(alpn);
    if (handling === 'tcp' || alpn === RELAY_ALPN) this.relay(destination.tcpRoute());
    else if (codec !== null) this.serve(codec);
    else if (handling === 'http2') this.serve('http2');
    else this.awaitFirstBytes();
    transport.startReading();
    context.output.flush();
  }

  get draining(): boolean {
    return this.owner.draining;
  }

  routeFor(request: RequestHead): Route {
    return this.destination.routeFor(request);
  }

  drain(): void {
    if (this.connection !== null) this.connection.drain();
    // Who has said nothing yet has nothing to lose.
    else if (this.held.length === 0) this.transport.end();
  }

  cutOff(): void {
    const { context } = this.transport;
    context.nowMs = context.clock.monotonicMs();
    if (this.connection !== null) this.connection.cutOff();
    else this.transport.reset();
  }

  onGone(): void {
    this.owner.onGone(this);
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    if (this.held.length === 0) {
      if (!this.decide(bytes, start, end)) this.hold(Buffer.from(bytes.subarray(start, end)));
    } else {
      const held = Buffer.concat([this.held, bytes.subarray(start, end)]);
      if (!this.decide(held, 0, held.length)) this.hold(held);
    }
  }

  /** Nothing more will come. Who has said nothing that could become a request is none of HTTP's clients. */
  onPeerEnd(): void {
    if (this.held.length === 0 && this.leadsToTcp()) this.settle('tcp');
    else this.giveUp();
    this.transport.handler.onPeerEnd();
  }

  onDrained(): void {}

  onDeadline(): void {
    if (this.held.length > 0) {
      this.giveUp();
      // The time was the codec's, too: it sees at once that it is over.
      this.transport.deadlineMs = Math.min(this.transport.deadlineMs, this.transport.context.nowMs);
    } else if (this.ahead !== null) {
      this.settle('tcp');
      this.transport.handler.onDeadline();
    } else if (this.leadsToTcp()) {
      this.connectAhead();
    } else if (this.takesTcp) {
      this.settle('tcp');
    } else {
      this.transport.destroy();
    }
  }

  onClosed(): void {
    this.ahead?.withdraw();
    this.owner.onGone(this);
  }

  private awaitFirstBytes(): void {
    const { headMs } = this.destination.fallback().timeouts;
    this.awaitFor(this.leadsToTcp() ? this.destination.tcpRoute().timeouts.detectMs : headMs);
  }

  private get takesTcp(): boolean {
    const { takesTcp, protocol } = this.destination;
    return takesTcp && HANDLING[protocol] === 'detect';
  }

  private leadsToTcp(): boolean {
    if (!this.takesTcp) return false;
    const route = this.destination.tcpRoute();
    // Nothing is connected for whom an access policy keeps out; a request of theirs is still for the filters to judge.
    return leadsSomewhere(route) && this.decideAccess(route)?.decision !== 'deny';
  }

  private hold(bytes: Buffer): void {
    if (this.held.length === 0) this.awaitFor(this.destination.fallback().timeouts.headMs);
    this.held = bytes;
  }

  private decide(bytes: Buffer, start: number, end: number): boolean {
    if (!this.readingHello) {
      const verdict = this.judge(detect(bytes, start, end));
      if (verdict === 'incomplete') return false;
      if (verdict !== 'tls') {
        this.settle(verdict, bytes, start, end);
        return true;
      }
      this.readingHello = true;
    }
    const hello = readClientHello(bytes, start, end);
    if (hello === 'incomplete') return false;
    this.passTls(hello === 'malformed' ? null : hello.serverName, bytes, start, end);
    return true;
  }

  /** What the verdict comes to here: `tls` only where the server name matters. */
  private judge(verdict: Verdict): Verdict {
    const { destination } = this;
    const tcpAllowed = HANDLING[destination.protocol] === 'detect';
    if (verdict === 'tls' && tcpAllowed) return destination.byServerName ? 'tls' : 'tcp';
    if (verdict !== 'tcp' && verdict !== 'tls') return verdict;
    return this.takesTcp ? 'tcp' : 'http1';
  }

  /** Without the rest. Bytes that could still become a request are judged by HTTP/1.1, a broken ClientHello has no way to go. */
  private giveUp(): void {
    const { held } = this;
    if (this.readingHello) this.refuse(Failure.detectTimeout, 'a ClientHello that is not all there');
    else this.settle('http1', held, 0, held.length);
  }

  private settle(kind: ConnectionKind, bytes: Buffer = NO_BYTES, start = 0, end = 0): void {
    const refusal = this.destination.refusal();
    if (refusal !== null) this.refuse(refusal, '');
    else if (kind === 'tcp') this.relay(this.destination.tcpRoute());
    else this.serve(kind);
    this.feed(bytes, start, end);
  }

  /** `serverName` is null when the ClientHello could not be read. */
  private passTls(serverName: string | null, bytes: Buffer, start: number, end: number): void {
    const route = this.destination.tlsRoute(serverName ?? '');
    const refusal = this.destination.refusal();
    if (refusal !== null) this.refuse(refusal, '');
    else if (leadsSomewhere(route)) this.relay(route, serverName ?? '');
    else if (serverName === null) this.refuse(Failure.malformedClientHello, '');
    else this.refuse(Failure.unknownDestination, `server name ${JSON.stringify(serverName)}`);
    this.feed(bytes, start, end);
  }

  private serve(codec: HttpCodec): void {
    this.ahead?.withdraw();
    this.ahead = null;
    const fallback = this.destination.fallback();
    this.begun(codec, createConnection(codec, this.transport, this, fallback, this.peerIdentity));
  }

  private relay(route: TcpRoute, serverName = ''): void {
    if (!leadsSomewhere(route)) {
      this.refuse(Failure.unknownDestination, this.destination.address);
      return;
    }
    const access = this.decideAccess(route);
    if (access !== null) access.series.count++;
    if (access?.decision === 'deny') {
      this.refuse(access.failure, access.describe(this.peerIdentity), access);
      return;
    }
    const relay = this.takeAhead(route) ?? new TcpRelay(this.transport, this, route, this.peerIdentity);
    relay.serverName = serverName;
    relay.access = access;
    this.begun('tcp', relay);
  }

  /** Of a connection that no filter will see. */
  private decideAccess({ access }: TcpRoute): AccessOutcome | null {
    return access?.decide(this.peerIdentity, this.transport.socket.remoteAddress ?? '') ?? null;
  }

  private refuse(failure: FailureKind, detail: string, access: AccessOutcome | null = null): void {
    this.ahead?.withdraw();
    this.ahead = null;
    const relay = new TcpRelay(this.transport, this, this.destination.tcpRoute(), this.peerIdentity);
    this.connection = relay;
    relay.access = access;
    relay.refuse(failure, detail);
  }

  private begun(kind: ConnectionKind, connection: DownstreamConnection): void {
    this.connection = connection;
    this.owner.onRecognised(kind);
    connection.start();
    if (this.draining) connection.drain();
  }

  private feed(bytes: Buffer, start: number, end: number): void {
    this.held = NO_BYTES;
    if (start < end && !this.transport.gone) this.transport.handler.onBytes(bytes, start, end);
  }

  /** The connection that was set up ahead, if it leads where it should. */
  private takeAhead(route: TcpRoute): TcpRelay | null {
    const { ahead } = this;
    this.ahead = null;
    if (ahead === null || ahead.route === route) return ahead;
    ahead.withdraw();
    return null;
  }

  private connectAhead(): void {
    const refusal = this.destination.refusal();
    if (refusal !== null) {
      this.refuse(refusal, '');
      return;
    }
    const ahead = new TcpRelay(this.transport, this, this.destination.tcpRoute(), this.peerIdentity);
    this.awaitFor(ahead.route.timeouts.tcpIdleMs);
    this.ahead = ahead;
    ahead.connectAhead(() => this.onServerFirst(ahead));
  }

  private onServerFirst(ahead: TcpRelay): void {
    const { held } = this;
    this.relay(ahead.route);
    this.feed(held, 0, held.length);
  }

  private awaitFor(timeoutMs: number): void {
    this.transport.deadlineMs = this.transport.context.nowMs + timeoutMs;
  }
}
