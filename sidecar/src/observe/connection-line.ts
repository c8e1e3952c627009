/**
 * The line of a connection in the access log, behind its time and its route.
 */
import type { RelayedConnection } from '../protocol/tcp/tcp-route.ts';
import { writeAccess } from './access-outcome.ts';
import type { ConnectionTrace } from './connection-watch.ts';
import { type JsonLine, jsonKey } from './json-line.ts';
import { OBSERVE_LIMITS } from './limits.ts';

export function writeConnectionLine(
  line: JsonLine,
  connection: RelayedConnection,
  trace: ConnectionTrace | null,
): void {
  const { failure, failureDetail, serverName, peerIdentity, endpoint, upstreamIdentity } = connection;
  const { startedMs, connectedMs, endedMs } = connection;
  line.text(KEY.protocol, connection.route.protocol);
  line.text(KEY.failure, failure.name);
  if (failureDetail !== '') {
    line.text(KEY.failureDetail, failureDetail.slice(0, OBSERVE_LIMITS.accessLogDetailChars));
  }
  if (connection.access !== null) writeAccess(line, connection.access);
  if (trace !== null) {
    line.id128(KEY.traceId, ...trace.traceId);
    line.id64(KEY.spanId, ...trace.spanId);
  }
  line.text(KEY.peer, connection.peerAddress);
  if (peerIdentity !== '') line.text(KEY.peerIdentity, peerIdentity);
  if (serverName !== '') line.text(KEY.serverName, serverName);
  if (endpoint !== '') line.text(KEY.upstream, endpoint);
  if (upstreamIdentity !== '') line.text(KEY.upstreamIdentity, upstreamIdentity);
  line.number(KEY.clientBytes, connection.clientBytes);
  line.number(KEY.serverBytes, connection.serverBytes);
  line.milliseconds(KEY.durationMs, endedMs - startedMs);
  if (connectedMs !== 0) line.milliseconds(KEY.connectMs, connectedMs - startedMs);
}

const KEY = {
  protocol: jsonKey('protocol'),
  failure: jsonKey('failure'),
  failureDetail: jsonKey('failure_detail'),
  traceId: jsonKey('trace_id'),
  spanId: jsonKey('span_id'),
  peer: jsonKey('peer'),
  peerIdentity: jsonKey('peer_identity'),
  serverName: jsonKey('server_name'),
  upstream: jsonKey('upstream'),
  upstreamIdentity: jsonKey('upstream_identity'),
  clientBytes: jsonKey('client_bytes'),
  serverBytes: jsonKey('server_bytes'),
  durationMs: jsonKey('duration_ms'),
  connectMs: jsonKey('connect_ms'),
} as const;
