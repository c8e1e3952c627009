/**
 * The access log: a JSON line for each exchange, put together from bytes and written in batches off the request path.
 *
 * Invariants
 * - Every line is valid JSON, whatever bytes the request held. What finds no room is dropped and counted (line-writer.ts).
 * - Queries are left out, since they carry tokens and personal data.
 */
import type { RouteProfile } from '../config/snapshot.ts';
import type { Clock } from '../core/clock.ts';
import type { Exchange } from '../core/exchange.ts';
import type { FailureKind } from '../core/failure.ts';
import type { RelayedConnection } from '../protocol/tcp/tcp-route.ts';
import { writeAccess } from './access-outcome.ts';
import { writeConnectionLine } from './connection-line.ts';
import type { ConnectionTrace } from './connection-watch.ts';
import { type JsonLine, jsonKey } from './json-line.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import type { LineSource } from './line-writer.ts';
import { PHASES, phasesOf } from './phases.ts';
import { METHODS, methodIndex, pathEnd } from './request-line.ts';
import { writeWaf } from './waf-outcome.ts';
import { WallTime } from './wall-time.ts';

const { accessLogPathBytes, accessLogDetailChars, accessLogWafChars } = OBSERVE_LIMITS;
/** More than any line takes: what the wire brings is cut and escaping makes six bytes of one at most; two SPIFFE ids have 2 KB each. */
const LINE_BYTES = (accessLogPathBytes + accessLogDetailChars + accessLogWafChars) * 6 + 8_192;

export type LogOrigin = Pick<RouteProfile, 'direction' | 'service' | 'name'> &
  Partial<Pick<RouteProfile, 'rule'>>;

export class AccessLog {
  readonly lines: LineSource;
  private readonly line: JsonLine;
  private readonly wallTime: WallTime;

  constructor(lines: LineSource, clock: Clock) {
    this.lines = lines;
    this.line = lines.line;
    this.wallTime = new WallTime(clock);
  }

  append(exchange: Exchange, origin: Buffer): void {
    if (!this.lines.begin(LINE_BYTES)) return;
    this.writeLine(exchange, origin);
    this.lines.end();
  }

  /** `trace` is null where no spans are kept. */
  appendConnection(connection: RelayedConnection, trace: ConnectionTrace | null, origin: Buffer): void {
    if (!this.lines.begin(LINE_BYTES)) return;
    this.line.time(this.wallTime.at(connection.endedMs));
    this.line.raw(origin);
    writeConnectionLine(this.line, connection, trace);
    this.lines.end();
  }

  /** Of a caller that did not get as far as a request, at a monotonic time. */
  appendRefusal(failure: FailureKind, detail: string, peer: string, atMs: number, origin: Buffer): void {
    if (!this.lines.begin(LINE_BYTES)) return;
    this.line.time(this.wallTime.at(atMs));
    this.line.raw(origin);
    this.line.text(KEY.failure, failure.name);
    this.line.text(KEY.failureDetail, detail);
    this.line.text(KEY.peer, peer);
    this.lines.end();
  }

  private writeLine(exchange: Exchange, origin: Buffer): void {
    const { line } = this;
    const { request, failure, endpoint, upstream } = exchange;
    line.time(this.wallTime.at(exchange.endedMs));
    line.raw(origin);
    line.text(KEY.method, METHODS[methodIndex(request)] as string);
    const end = Math.min(pathEnd(request), request.pathStart + OBSERVE_LIMITS.accessLogPathBytes);
    line.bytes(KEY.path, request.bytes, request.pathStart, end);
    line.number(KEY.status, exchange.status);
    if (exchange.grpcStatus >= 0) line.number(KEY.grpcStatus, exchange.grpcStatus);
    line.text(KEY.failure, failure.name);
    if (exchange.failureDetail !== '') {
      line.text(KEY.failureDetail, exchange.failureDetail.slice(0, OBSERVE_LIMITS.accessLogDetailChars));
    }
    if (exchange.token !== null) line.text(KEY.tokenIssuer, exchange.token.issuer);
    if (exchange.access !== null) writeAccess(line, exchange.access);
    if (exchange.waf !== null) writeWaf(line, exchange.waf);
    if (exchange.shadow !== '') line.text(KEY.shadow, exchange.shadow);
    line.bytes(KEY.requestId, request.bytes, exchange.requestIdStart, exchange.requestIdEnd);
    if (exchange.spanId1 !== 0) {
      line.id128(KEY.traceId, exchange.traceId0, exchange.traceId1, exchange.traceId2, exchange.traceId3);
      line.id64(KEY.spanId, exchange.spanId0, exchange.spanId1);
    }
    line.text(KEY.peer, exchange.peerAddress);
    if (exchange.peerIdentity !== '') line.text(KEY.peerIdentity, exchange.peerIdentity);
    if (exchange.backend !== null) line.text(KEY.backend, exchange.backend.name);
    if (endpoint !== null) line.text(KEY.upstream, endpoint.address);
    if (upstream !== null && upstream.identity !== '') line.text(KEY.upstreamIdentity, upstream.identity);
    line.number(KEY.attempts, exchange.attempts);
    line.number(KEY.requestBytes, exchange.requestBytes);
    line.number(KEY.responseBytes, exchange.responseBytes);
    line.milliseconds(KEY.durationMs, exchange.endedMs - exchange.startedMs);
    const { waits } = exchange;
    if (waits !== null && waits.acceptMs > 0) line.milliseconds(KEY.acceptMs, waits.acceptMs);
    const phases = phasesOf(exchange);
    for (let i = 0; i < phases.length; i++) {
      if ((phases[i] as number) >= 0) line.milliseconds(PHASE_KEYS[i] as Buffer, phases[i] as number);
    }
  }
}

/** The beginning of every line of a route, behind its time. */
export function lineOrigin({ direction, service, name, rule = null }: LogOrigin): Buffer {
  const places = { direction, service, route: name, ...(rule === null ? {} : { rule: rule.label }) };
  return Buffer.from(JSON.stringify(places).slice(1, -1));
}

const KEY = {
  method: jsonKey('method'),
  path: jsonKey('path'),
  status: jsonKey('status'),
  grpcStatus: jsonKey('grpc_status'),
  failure: jsonKey('failure'),
  failureDetail: jsonKey('failure_detail'),
  tokenIssuer: jsonKey('token_issuer'),
  shadow: jsonKey('shadow'),
  requestId: jsonKey('request_id'),
  traceId: jsonKey('trace_id'),
  spanId: jsonKey('span_id'),
  peer: jsonKey('peer'),
  peerIdentity: jsonKey('peer_identity'),
  backend: jsonKey('backend'),
  upstream: jsonKey('upstream'),
  upstreamIdentity: jsonKey('upstream_identity'),
  attempts: jsonKey('attempts'),
  requestBytes: jsonKey('request_bytes'),
  responseBytes: jsonKey('response_bytes'),
  durationMs: jsonKey('duration_ms'),
  acceptMs: jsonKey('accept_ms'),
} as const;
const PHASE_KEYS = PHASES.map((phase) => jsonKey(`${phase}_ms`));
