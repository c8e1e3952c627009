/**
 * The access log: a JSON line for each exchange, put together from bytes and written in batches off the request path.
 *
 * Invariants
 * - Every line is valid JSON, whatever bytes the request held.
 * - Two buffers: one is filled while the other is written. A line that finds no room is dropped and counted; nobody waits.
 * - Queries are left out, since they carry tokens and personal data.
 */
import { closeSync, constants, openSync, write } from 'node:fs';
import type { AccessLogConfig } from '../config/schema.ts';
import type { RouteProfile } from '../config/snapshot.ts';
import type { Clock, Timer } from '../core/clock.ts';
import type { Exchange } from '../core/exchange.ts';
import type { FailureKind } from '../core/failure.ts';
import type { RelayedConnection } from '../protocol/tcp/tcp-route.ts';
import { writeAccess } from './access-outcome.ts';
import { writeConnectionLine } from './connection-line.ts';
import type { ConnectionTrace } from './connection-watch.ts';
import { JsonLine, jsonKey } from './json-line.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { PHASES, phasesOf } from './phases.ts';
import { METHODS, methodIndex, pathEnd } from './request-line.ts';
import type { TapSource } from './tap/taps.ts';
import { writeWaf } from './waf-outcome.ts';
import { WallTime } from './wall-time.ts';

const { accessLogBufferBytes, accessLogWriteBytes, accessLogDelayMs, accessLogRetryMs } = OBSERVE_LIMITS;
const { accessLogPathBytes, accessLogDetailChars, accessLogWafChars } = OBSERVE_LIMITS;
/** More than any line takes: what the wire brings is cut and escaping makes six bytes of one at most; two SPIFFE ids have 2 KB each. */
const LINE_BYTES = (accessLogPathBytes + accessLogDetailChars + accessLogWafChars) * 6 + 8_192;

type LogOrigin = Pick<RouteProfile, 'direction' | 'service' | 'name'> & Partial<Pick<RouteProfile, 'rule'>>;

export interface AccessLogDeps {
  readonly clock: Clock;
  readonly report: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

export class AccessLog {
  written = 0;
  dropped = 0;
  /** For taps; null while there is none. */
  onLine: TapSource['onLine'] = null;
  private readonly path: string | null;
  private readonly deps: AccessLogDeps;
  private readonly wallTime: WallTime;
  private readonly line = new JsonLine();
  private file: number;
  private filling: Buffer = Buffer.allocUnsafeSlow(accessLogBufferBytes);
  private resting: Buffer | null = Buffer.allocUnsafeSlow(accessLogBufferBytes);
  private filled = 0;
  private lines = 0;
  private timer: Timer | null = null;
  private idle: (() => void)[] = [];
  private closed = false;

  constructor(config: Exclude<AccessLogConfig, { kind: 'off' }>, deps: AccessLogDeps) {
    this.path = config.kind === 'file' ? config.path : null;
    this.deps = deps;
    this.wallTime = new WallTime(deps.clock);
    // Reading `process.stdout` makes a pipe non-blocking: a write that blocked would hold up the exit for as long as its reader stalls.
    this.file = this.path === null ? process.stdout.fd : openLog(this.path);
  }

  /** The beginning of every line of a route. */
  originOf({ direction, service, name, rule = null }: LogOrigin): Buffer {
    const places = { direction, service, route: name, ...(rule === null ? {} : { rule: rule.label }) };
    return Buffer.from(JSON.stringify(places).slice(1, -1));
  }

  append(exchange: Exchange, origin: Buffer): void {
    if (!this.beginLine()) return;
    this.writeLine(exchange, origin);
    this.endLine();
  }

  /** `trace` is null where no spans are kept. */
  appendConnection(connection: RelayedConnection, trace: ConnectionTrace | null, origin: Buffer): void {
    if (!this.beginLine()) return;
    this.line.time(this.wallTime.at(connection.endedMs));
    this.line.raw(origin);
    writeConnectionLine(this.line, connection, trace);
    this.endLine();
  }

  /** Of a caller that did not get as far as a request, at a monotonic time. */
  appendRefusal(failure: FailureKind, detail: string, peer: string, atMs: number, origin: Buffer): void {
    if (!this.beginLine()) return;
    this.line.time(this.wallTime.at(atMs));
    this.line.raw(origin);
    this.line.text(KEY.failure, failure.name);
    this.line.text(KEY.failureDetail, detail);
    this.line.text(KEY.peer, peer);
    this.endLine();
  }

  private beginLine(): boolean {
    if (this.closed || this.filled + LINE_BYTES > this.filling.length) {
      this.dropped++;
      return false;
    }
    this.line.begin(this.filling, this.filled);
    return true;
  }

  private endLine(): void {
    const start = this.filled;
    this.filled = this.line.end();
    if (this.onLine !== null) this.onLine(this.filling, start, this.filled);
    this.lines++;
    if (this.filled >= accessLogWriteBytes && this.resting !== null) this.writeOut();
    else if (this.timer === null) this.schedule(accessLogDelayMs);
  }

  /** Goes on in a new file when the old one was moved away. */
  reopen(): void {
    if (this.path === null || this.closed) return;
    try {
      const reopened = openLog(this.path);
      const before = this.file;
      this.file = reopened;
      // A write under way still uses the old one.
      this.whenIdle(() => closeSync(before));
    } catch (error) {
      this.deps.report('access_log_not_reopened', { reason: (error as Error).message });
    }
  }

  /** Writes what is left, and lets go of the file. Lines that come later are dropped and counted. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    while (this.lines > 0 || this.resting === null) {
      if (this.resting !== null) this.writeOut();
      await new Promise<void>((resolve) => this.whenIdle(resolve));
    }
    this.timer?.cancel();
    if (this.path !== null) closeSync(this.file);
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

  private schedule(delayMs: number): void {
    this.timer = this.deps.clock.setTimer(() => {
      this.timer = null;
      if (this.resting !== null && this.lines > 0) this.writeOut();
    }, delayMs);
  }

  private writeOut(): void {
    const buffer = this.filling;
    const { filled, lines } = this;
    this.filling = this.resting as Buffer;
    this.resting = null;
    this.filled = 0;
    this.lines = 0;
    this.writeRest(this.file, buffer, 0, filled, lines);
  }

  private writeRest(file: number, buffer: Buffer, from: number, end: number, lines: number): void {
    write(file, buffer, from, end - from, null, (error, count) => {
      if (error === null && from + count < end) {
        this.writeRest(file, buffer, from + count, end, lines);
      } else if (error?.code === 'EAGAIN') {
        this.deps.clock.setTimer(() => this.writeRest(file, buffer, from, end, lines), accessLogRetryMs);
      } else {
        if (error === null) this.written += lines;
        else this.dropped += lines;
        this.rest(buffer);
      }
    });
  }

  private rest(buffer: Buffer): void {
    this.resting = buffer;
    const waiting = this.idle;
    this.idle = [];
    for (const done of waiting) done();
    if (this.lines > 0 && this.timer === null) this.schedule(0);
  }

  private whenIdle(done: () => void): void {
    if (this.resting === null) this.idle.push(done);
    else done();
  }
}

/** Without O_NONBLOCK a named pipe would hold up the start until somebody reads it, and every write while its reader stalls. */
function openLog(path: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
  try {
    return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
    throw new Error(`access log ${path}: a pipe that nobody reads; start its reader first`);
  }
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
