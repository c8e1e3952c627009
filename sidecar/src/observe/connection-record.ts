/**
 * How a connection that was passed on lies in the span ring, and what its span says: the words of an exchange, with other meanings where
 * a connection has no such thing.
 */
import { isIP } from 'node:net';
import { FAILURES } from '../core/failure.ts';
import type { RelayedConnection } from '../protocol/tcp/tcp-route.ts';
import { accessAttributes } from './access-outcome.ts';
import type { ConnectionTrace } from './connection-watch.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import type { SomeAttributes } from './own-span.ts';
import { NOT_REACHED } from './phases.ts';
import { DOUBLE, DOUBLES, FLAG_CONNECTION, type SpanRecord, WORD, WORDS } from './span-record.ts';
import type { SpanRing } from './spans.ts';
import { splitAddress } from './split-address.ts';

/** Where exchanges have their method. */
const PROTOCOL = WORD.method;
/** Where exchanges have the first of their phases. */
const CONNECT_MS = DOUBLE.phases;

const { spanTextBytes, spanAuthorityBytes } = OBSERVE_LIMITS;

export function writeConnection(
  ring: SpanRing,
  slot: number,
  connection: RelayedConnection,
  trace: ConnectionTrace,
  origin: number,
): void {
  const { words, doubles, names } = ring;
  const at = slot * WORDS;
  words.fill(0, at, at + WORDS);
  words[at + WORD.flags] = FLAG_CONNECTION;
  words.set(trace.traceId, at + WORD.traceId);
  words.set(trace.spanId, at + WORD.spanId);
  words[at + PROTOCOL] = names.indexOf(connection.route.protocol);
  words[at + WORD.failure] = connection.failure.code;
  words[at + WORD.origin] = origin;
  words[at + WORD.peerIdentity] = names.indexOf(connection.peerIdentity);
  words[at + WORD.upstreamIdentity] = names.indexOf(connection.upstreamIdentity);
  words[at + WORD.endpoint] = names.indexOf(connection.endpoint);
  words[at + WORD.access] = connection.access === null ? 0 : names.indexOf(connection.access.label);

  const { startedMs, connectedMs } = connection;
  doubles[slot * DOUBLES + DOUBLE.startedMs] = startedMs;
  doubles[slot * DOUBLES + DOUBLE.endedMs] = connection.endedMs;
  doubles[slot * DOUBLES + DOUBLE.requestBytes] = connection.clientBytes;
  doubles[slot * DOUBLES + DOUBLE.responseBytes] = connection.serverBytes;
  doubles[slot * DOUBLES + CONNECT_MS] = connectedMs === 0 ? NOT_REACHED : connectedMs - startedMs;

  const start = slot * spanTextBytes;
  const address = ring.text.write(connection.peerAddress, start, 'latin1');
  const name = ring.text.write(connection.serverName, start + address, spanAuthorityBytes, 'latin1');
  const used = address + name;
  words[at + WORD.addressBytes] = address;
  words[at + WORD.authorityBytes] = name;
  words[at + WORD.detailBytes] = ring.text.write(
    connection.failureDetail,
    start + used,
    spanTextBytes - used,
  );
}

export function connectionName(record: SpanRecord): string {
  return `${record.name(PROTOCOL) === 'auto' ? 'tcp' : record.name(PROTOCOL)} ${record.origin.route}`;
}

/** By the network and server conventions of OpenTelemetry, as far as they go. */
export function connectionAttributes(record: SpanRecord, error: string): SomeAttributes {
  const { direction, route } = record.origin;
  const inbound = direction === 'inbound';
  const failure = record.word(WORD.failure);
  const protocol = record.name(PROTOCOL);
  const endpoint = splitAddress(record.name(WORD.endpoint));
  const serverName = record.text(WORD.authorityBytes);
  const peer = record.text(WORD.addressBytes);
  const connectMs = record.double(CONNECT_MS);
  return {
    'network.transport': 'tcp',
    'network.type': networkType(inbound ? peer : endpoint.host),
    'network.protocol.name': protocol === 'auto' ? '' : protocol,
    'network.peer.address': inbound ? peer : endpoint.host,
    'network.peer.port': inbound ? undefined : endpoint.port,
    'server.address': serverName === '' && !inbound ? route : serverName,
    'server.port': inbound ? undefined : endpoint.port,
    'tls.client.server_name': serverName,
    'error.type': error,
    'tulle.direction': direction,
    'tulle.route': route,
    'tulle.failure.code': failure === 0 ? undefined : FAILURES[failure]?.name,
    'tulle.failure.detail': record.text(WORD.detailBytes),
    'tulle.peer.identity': record.name(WORD.peerIdentity),
    'tulle.upstream.identity': record.name(WORD.upstreamIdentity),
    'tulle.upstream.endpoint': record.name(WORD.endpoint),
    ...accessAttributes(record.name(WORD.access)),
    'tulle.connection.client_bytes': record.double(DOUBLE.requestBytes),
    'tulle.connection.server_bytes': record.double(DOUBLE.responseBytes),
    'tulle.phase.connect_ms': connectMs === NOT_REACHED ? undefined : connectMs,
  };
}

function networkType(address: string): string {
  const family = isIP(address);
  return family === 0 ? '' : `ipv${family}`;
}
