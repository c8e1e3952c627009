/**
 * Which codec serves which protocol: the one place that knows them all.
 */
import type { Route } from '../core/route.ts';
import { Http1Server } from '../protocol/http1/server.ts';
import { Http2Server } from '../protocol/http2/server.ts';
import type { Handling } from '../protocol/protocol.ts';
import type { Transport, TransportHandler } from '../transport/transport.ts';
import type { ConnectionOwner, DownstreamConnection } from './connection.ts';

export type HttpCodec = 'http1' | 'http2';

/** Becomes the handler of the transport as soon as it is made. */
type ServerCodec = new (
  transport: Transport,
  owner: ConnectionOwner,
  fallback: Route,
  peerIdentity: string,
) => DownstreamConnection & TransportHandler;

const CODECS: Record<HttpCodec, ServerCodec> = { http1: Http1Server, http2: Http2Server };

/** By the protocol that a TLS handshake agreed on (RFC 7301): who names it is not asked again. */
const ALPN_CODECS: Record<string, HttpCodec> = { 'http/1.1': 'http1', h2: 'http2' };

/** Agreed on between sidecars for connections that are passed on, so that the far side need not find out. */
export const RELAY_ALPN = 'tulle-tcp';

/** What a listener offers in a handshake. A listener for TCP alone offers nothing and takes what comes. */
export const OFFERED_ALPN: Readonly<Record<Handling, readonly string[] | null>> = {
  detect: ['h2', 'http/1.1', RELAY_ALPN],
  http: ['h2', 'http/1.1'],
  http2: ['h2'],
  tcp: null,
};

export function createConnection(
  codec: HttpCodec,
  transport: Transport,
  owner: ConnectionOwner,
  fallback: Route,
  peerIdentity: string,
): DownstreamConnection {
  return new CODECS[codec](transport, owner, fallback, peerIdentity);
}

/** Null when the handshake agreed on none. */
export function codecOfAlpn(alpnProtocol: string | false | null): HttpCodec | null {
  return ALPN_CODECS[alpnProtocol || ''] ?? null;
}
