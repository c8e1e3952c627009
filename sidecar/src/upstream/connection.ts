/**
 * What a pool and its connections know of each other, whatever protocol a connection speaks.
 */
import type { Exchange, UpstreamStream } from '../core/exchange.ts';
import type { FailureKind } from '../core/failure.ts';
import type { Timeouts } from '../core/route.ts';
import type { Transport, TransportHandler } from '../transport/transport.ts';

/** A connection that is set up: implemented by each client codec. */
export interface UpstreamConnection {
  /** Exchanges that it can take now; 0 when it must not be used any more, or not yet. */
  readonly room: number;
  readonly idle: boolean;
  /** For the pool: whether it has the connection among those with room. */
  listed: boolean;
  /** The connection carries the exchange from here on, and tells it when it fails, whether or not anything is sent yet. */
  attach(exchange: Exchange): UpstreamStream;
  /** Takes no further exchange; closes behind those that it carries. */
  retire(): void;
  /** Nothing is to do for now: closes when that lasts. */
  awaitExchange(): void;
}

/** Who gives exchanges to connections. */
export interface ConnectionOwner {
  /** The connection can take an exchange, for the first time or again. */
  onRoom(connection: UpstreamConnection): void;
  /** The connection can't be used any more. `failure` and `detail`: why, for those who wait for it to be set up. */
  onGone(connection: UpstreamConnection, detail?: string, failure?: FailureKind): void;
}

/** What it took to set a connection up, in milliseconds. */
export interface ConnectionSetup {
  readonly setupMs: number;
  /** Of that, the handshake of TLS. */
  readonly tlsMs: number;
}

/** Becomes the handler of the transport as soon as it is made. */
export type ClientCodec = new (
  transport: Transport,
  owner: ConnectionOwner,
  timeouts: Timeouts,
  authority: string,
  identity: string,
  setup: ConnectionSetup,
) => UpstreamConnection & TransportHandler;
