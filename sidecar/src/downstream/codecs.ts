/**
 * Which codec serves which protocol: the one place that knows them all.
 */
import type { Route } from '../core/route.ts';
import { Http1Server } from '../protocol/http1/server.ts';
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

// Without a codec of its own HTTP/2 is refused by that of HTTP/1.1, to which its preface is a request of an unknown version.
const CODECS: Record<HttpCodec, ServerCodec> = { http1: Http1Server, http2: Http1Server };

/** By the protocol that a TLS handshake agreed on (RFC 7301): who names it is not asked again. */
const ALPN_CODECS: Record<string, HttpCodec> = { 'http/1.1': 'http1', h2: 'http2' };

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
