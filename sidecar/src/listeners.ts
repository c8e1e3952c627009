/**
 * Opens the listeners that a config names.
 *
 * Invariants: opened one after the other, and all of them or an error; what is opened is in `listeners` from before it listens, so that
 * whoever called can close it.
 */
import type net from 'node:net';
import type { TLSSocket, TlsOptions } from 'node:tls';
import { type Address, formatAddress } from './config/address.ts';
import type { InboundConfig, OutboundConfig, SidecarConfig } from './config/schema.ts';
import type { Snapshot } from './config/snapshot.ts';
import { OFFERED_ALPN } from './downstream/codecs.ts';
import type { Destination } from './downstream/destination.ts';
import { Listener, type ListenerObserver, type ListenerSecurity } from './downstream/listener.ts';
import { type OriginalDestination, openOriginalDestination } from './downstream/original-destination.ts';
import { RefusedDestination } from './downstream/refused-destination.ts';
import { InboundDestination } from './inbound/destination.ts';
import { CapturedDestination } from './outbound/captured-destination.ts';
import { ProxyDestination, ServiceDestination } from './outbound/destinations.ts';
import { HostRouter } from './outbound/host-router.ts';
import { HANDLING } from './protocol/protocol.ts';
import { OutgoingConnections } from './transport/outgoing.ts';
import type { TransportContext } from './transport/transport.ts';

/** Where a sidecar listens; null where config asks for nothing. */
export interface ListeningPorts {
  /** By name of the entry. */
  readonly inbound: Readonly<Record<string, number>>;
  readonly inboundCapture: number | null;
  readonly outbound: number | null;
  readonly outboundCapture: number | null;
  /** Of services with a listener of their own, by host. */
  readonly services: Readonly<Record<string, number>>;
}

export interface ListenersDeps {
  readonly context: TransportContext;
  readonly handshakeTimeoutMs: number;
  snapshot(): Snapshot;
  /** For listeners with mTLS, with the certificate of now. */
  serverTlsOptions(): TlsOptions;
  /** SPIFFE id of the peer; null when it is not one to talk to. */
  peerIdentity(socket: TLSSocket): string | null;
  /** SPIFFE id of a peer on the deny list; null for all others. */
  deniedIdentity(socket: TLSSocket): string | null;
  observerOf(listener: string): ListenerObserver;
}

const NOT_REDIRECTED = 'not redirected, but connected to directly';

export class Listeners {
  readonly listeners: Listener[] = [];
  private readonly deps: ListenersDeps;
  private readonly router: HostRouter;
  private originalDestination: OriginalDestination | null = null;

  constructor(deps: ListenersDeps) {
    this.deps = deps;
    this.router = new HostRouter(deps.snapshot);
  }

  async open(config: SidecarConfig): Promise<ListeningPorts> {
    if (config.inboundCapture !== null || config.outbound?.capture) {
      this.originalDestination = await openOriginalDestination();
    }
    const inbound: Record<string, number> = {};
    const entries = new Map<string, Listener>();
    for (const entry of config.inbound) {
      const listener = this.add(entry.name, this.securityOf(entry), this.inboundDestination(entry));
      entries.set(entry.name, listener);
      if (entry.listen !== null) inbound[entry.name] = await listener.listen(entry.listen);
    }
    const inboundCapture =
      config.inboundCapture === null
        ? null
        : await this.captureInbound(config.inboundCapture.listen, entries);
    const { outbound } = config;
    return {
      inbound,
      inboundCapture,
      outbound: outbound === null ? null : await this.openProxy(outbound.listen),
      outboundCapture: outbound?.capture ? await this.captureOutbound(outbound.capture.listen) : null,
      services: outbound === null ? {} : await this.openServices(outbound),
    };
  }

  /** New handshakes use the certificate of now. */
  renewCertificate(): void {
    for (const listener of this.listeners) listener.setCertificate(this.deps.serverTlsOptions());
  }

  private inboundDestination(entry: InboundConfig): (socket: net.Socket, proven: boolean) => Destination {
    const proven = new InboundDestination(this.deps.snapshot, entry, true);
    const unproven = new InboundDestination(this.deps.snapshot, entry, false);
    return (_, isProven) => (isProven ? proven : unproven);
  }

  private openProxy(listen: Address): Promise<number> {
    const destination = new ProxyDestination(this.deps.snapshot, this.router);
    return this.add('outbound', null, () => destination).listen(listen);
  }

  private async openServices({ services }: OutboundConfig): Promise<Record<string, number>> {
    const ports: Record<string, number> = {};
    for (const { host, listen } of services) {
      if (listen === null) continue;
      const destination = new ServiceDestination(this.deps.snapshot, host);
      ports[host] = await this.add(`outbound ${host}`, null, () => destination).listen(listen);
    }
    return ports;
  }

  private captureOutbound(listen: Address): Promise<number> {
    const { context, snapshot } = this.deps;
    const outgoing = new OutgoingConnections();
    context.outgoing = outgoing;
    return this.add('outbound-capture', null, (socket) => {
      const original = this.originalOf(socket);
      if (original === null) return new RefusedDestination(snapshot, 'outbound', NOT_REDIRECTED);
      return new CapturedDestination(snapshot, this.router, original, () => outgoing.has(socket));
    }).listen(listen);
  }

  /** The listener of an entry knows about its mTLS and protocol, so that it is given the connections to its port. */
  private captureInbound(listen: Address, entries: ReadonlyMap<string, Listener>): Promise<number> {
    const { snapshot } = this.deps;
    return this.add('inbound-capture', null, (socket) => {
      const original = this.originalOf(socket);
      if (original === null) return new RefusedDestination(snapshot, 'inbound', NOT_REDIRECTED);
      const entry = entries.get(snapshot().tcp.entries.get(original.port) ?? '');
      if (entry === undefined) return new RefusedDestination(snapshot, 'inbound', formatAddress(original));
      entry.take(socket);
      return null;
    }).listen(listen);
  }

  private originalOf(socket: net.Socket): Address | null {
    return this.originalDestination?.(socket) ?? null;
  }

  private securityOf({ mtls, protocol }: InboundConfig): ListenerSecurity | null {
    if (mtls === 'off') return null;
    return {
      permissive: mtls === 'permissive',
      tlsOptions: this.deps.serverTlsOptions(),
      alpnProtocols: OFFERED_ALPN[HANDLING[protocol]],
      peerIdentity: this.deps.peerIdentity,
      deniedIdentity: this.deps.deniedIdentity,
    };
  }

  private add(
    name: string,
    security: ListenerSecurity | null,
    destinationOf: (socket: net.Socket, proven: boolean) => Destination | null,
  ): Listener {
    const { context, handshakeTimeoutMs, observerOf } = this.deps;
    const observer = observerOf(name);
    const listener = new Listener({ context, observer, security, destinationOf, handshakeTimeoutMs });
    this.listeners.push(listener);
    return listener;
  }
}
