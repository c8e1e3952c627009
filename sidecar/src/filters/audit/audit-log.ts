/**
 * The audit log: who was let do what, and which policy said so, as a JSON line for each decision.
 *
 * Invariants
 * - Every line is valid JSON and has `"log":"audit"`, so that it can share a place with the access log. What finds no room is dropped and counted.
 * - No path, query, field or token: of a request there is method, host and route, of a token its issuer and subject, and only when it was verified.
 */
import type { Clock } from '../../core/clock.ts';
import type { Exchange } from '../../core/exchange.ts';
import { Failure } from '../../core/failure.ts';
import { PolicyDecision } from '../../core/policy-decision.ts';
import type { HandshakeFailure } from '../../downstream/handshake-failure.ts';
import type { ConnectionTrace } from '../../observe/connection-watch.ts';
import { jsonKey } from '../../observe/json-line.ts';
import { OBSERVE_LIMITS } from '../../observe/limits.ts';
import type { LineSource } from '../../observe/line-writer.ts';
import { METHODS, methodIndex } from '../../observe/request-line.ts';
import { WallTime } from '../../observe/wall-time.ts';
import type { RelayedConnection } from '../../protocol/tcp/tcp-route.ts';
import type { AuditedDecisions } from './config.ts';

const { accessLogDetailChars, auditHostBytes, auditSubjectChars } = OBSERVE_LIMITS;
/** More than any line takes; see the access log. */
const LINE_BYTES = (accessLogDetailChars + auditHostBytes + auditSubjectChars) * 6 + 8_192;

export class AuditLog {
  /** May change while exchanges are under way. */
  decisions: AuditedDecisions;
  readonly lines: LineSource;
  private readonly wallTime: WallTime;
  private readonly handshakes = new Map<HandshakeFailure, PolicyDecision>();

  constructor(decisions: AuditedDecisions, lines: LineSource, clock: Clock) {
    this.decisions = decisions;
    this.lines = lines;
    this.wallTime = new WallTime(clock);
  }

  /** All that was noted of an exchange that is over. */
  append(exchange: Exchange, origin: Buffer): void {
    for (const decision of exchange.decisions) this.appendDecision(exchange, decision, origin);
  }

  /** `trace` is null where no spans are kept. */
  appendConnection(connection: RelayedConnection, trace: ConnectionTrace | null, origin: Buffer): void {
    const decision = connection.access?.decided;
    if (decision === undefined || !this.audits(decision)) return;
    const { startedMs, peerAddress, peerIdentity, failure, failureDetail } = connection;
    if (!this.begin(startedMs, decision, origin)) return;
    const { line } = this.lines;
    if (failure === decision.failure) this.detail(failureDetail);
    line.text(KEY.protocol, connection.route.protocol);
    if (trace !== null) {
      line.id128(KEY.traceId, ...trace.traceId);
      line.id64(KEY.spanId, ...trace.spanId);
    }
    line.text(KEY.peer, peerAddress);
    if (peerIdentity !== '') line.text(KEY.peerIdentity, peerIdentity);
    this.lines.end();
  }

  /** A peer that did not get in. Its identity is empty unless that is why. */
  appendHandshake(
    reason: HandshakeFailure,
    peerAddress: string,
    peerIdentity: string,
    atMs: number,
    origin: Buffer,
  ): void {
    // Who goes away or says nothing was not refused.
    if (this.decisions === 'off' || reason === 'aborted' || reason === 'timeout') return;
    let decision = this.handshakes.get(reason);
    if (decision === undefined) {
      const source = { kind: 'tls', policy: '', shadow: false } as const;
      decision = new PolicyDecision(source, 'deny', reason, Failure.handshakeFailed);
      this.handshakes.set(reason, decision);
    }
    if (!this.begin(atMs, decision, origin)) return;
    this.lines.line.text(KEY.peer, peerAddress);
    if (peerIdentity !== '') this.lines.line.text(KEY.peerIdentity, peerIdentity);
    this.lines.end();
  }

  private audits({ action }: PolicyDecision): boolean {
    return this.decisions === 'all' || (this.decisions === 'refused' && action !== 'allow');
  }

  private appendDecision(exchange: Exchange, decision: PolicyDecision, origin: Buffer): void {
    if (!this.begin(exchange.headMs, decision, origin)) return;
    const { request, token, peerIdentity } = exchange;
    const { line } = this.lines;
    if (exchange.failure === decision.failure) this.detail(exchange.failureDetail);
    line.text(KEY.method, METHODS[methodIndex(request)] as string);
    const hostEnd = Math.min(request.authorityEnd, request.authorityStart + auditHostBytes);
    line.bytes(KEY.host, request.bytes, request.authorityStart, hostEnd);
    line.bytes(KEY.requestId, request.bytes, exchange.requestIdStart, exchange.requestIdEnd);
    if (exchange.spanId1 !== 0) {
      line.id128(KEY.traceId, exchange.traceId0, exchange.traceId1, exchange.traceId2, exchange.traceId3);
      line.id64(KEY.spanId, exchange.spanId0, exchange.spanId1);
    }
    line.text(KEY.peer, exchange.peerAddress);
    if (peerIdentity !== '') line.text(KEY.peerIdentity, peerIdentity);
    if (token !== null) {
      line.text(KEY.tokenIssuer, token.issuer);
      const { sub } = token.claims;
      if (typeof sub === 'string') line.text(KEY.subject, sub.slice(0, auditSubjectChars));
    }
    this.lines.end();
  }

  /** What all lines have, up to why. */
  private begin(atMs: number, decision: PolicyDecision, origin: Buffer): boolean {
    if (!this.lines.begin(LINE_BYTES)) return false;
    const { line } = this.lines;
    const { kind, policy, rule, action, shadow, failure } = decision;
    line.time(this.wallTime.at(atMs));
    line.raw(origin);
    line.raw(AUDIT);
    line.text(KEY.kind, kind);
    if (policy !== '') line.text(KEY.policy, policy);
    if (rule !== '') line.text(KEY.rule, rule);
    line.text(KEY.decision, shadow ? SHADOW[action] : action);
    line.text(KEY.failure, failure.name);
    return true;
  }

  private detail(text: string): void {
    if (text !== '') this.lines.line.text(KEY.detail, text.slice(0, accessLogDetailChars));
  }
}

const AUDIT = Buffer.from(',"log":"audit"');
const SHADOW = { allow: 'shadow_allow', deny: 'shadow_deny', delay: 'shadow_delay' } as const;
const KEY = {
  kind: jsonKey('kind'),
  policy: jsonKey('policy'),
  rule: jsonKey('policy_rule'),
  decision: jsonKey('decision'),
  failure: jsonKey('failure'),
  detail: jsonKey('failure_detail'),
  method: jsonKey('method'),
  host: jsonKey('host'),
  protocol: jsonKey('protocol'),
  requestId: jsonKey('request_id'),
  traceId: jsonKey('trace_id'),
  spanId: jsonKey('span_id'),
  peer: jsonKey('peer'),
  peerIdentity: jsonKey('peer_identity'),
  tokenIssuer: jsonKey('token_issuer'),
  subject: jsonKey('subject'),
} as const;
