/**
 * From a record of the ring to the span that is exported and shown, named and attributed by the HTTP conventions of OpenTelemetry.
 *
 * Invariant: made when a span is exported or asked for, never on the request path; the result holds nothing of the ring.
 */
import { FAILURES } from '../core/failure.ts';
import { accessAttributes } from './access-outcome.ts';
import { connectionAttributes, connectionName } from './connection-record.ts';
import { commandContent } from './datastore-record.ts';
import { errorTypeOf } from './error-type.ts';
import type { FoundAttributes, FoundSpan, Usual } from './explain/found-span.ts';
import { hexText } from './hex.ts';
import { PHASES } from './phases.ts';
import { METHODS } from './request-line.ts';
import { REASONS } from './retention/retention.ts';
import { statusError, statusName } from './rpc.ts';
import {
  DOUBLE,
  FLAG_COMMAND,
  FLAG_CONNECTION,
  FLAG_GRPC,
  FLAG_HTTP_1_0,
  FLAG_HTTP_2,
  FLAG_PARENT,
  type SpanRecord,
  WORD,
} from './span-record.ts';
import { splitAddress } from './split-address.ts';
import { wafAttributes } from './waf-outcome.ts';

const PHASE_NAMES = PHASES.map((phase) => `tulle.phase.${phase}_ms`);

/** Who made it, the same for all spans of a sidecar. */
export type OwnResource = {
  readonly 'service.name': string;
  readonly 'service.namespace': string;
  readonly 'service.instance.id': string;
  readonly 'tulle.component': 'sidecar';
};

/** `wallOffsetMs` leads from monotonic times to milliseconds since the Unix epoch. */
export function readOwnSpan(
  record: SpanRecord,
  resource: OwnResource,
  wallOffsetMs: number,
  usual: Usual | null,
): OwnSpan {
  const content = record.has(FLAG_COMMAND) ? commandContent(record) : exchangeContent(record);
  return {
    traceId: wordsText(record, WORD.traceId, 4),
    spanId: wordsText(record, WORD.spanId, 2),
    parentId: record.has(FLAG_PARENT) ? wordsText(record, WORD.parentId, 2) : null,
    name: content.name,
    kind: content.kind,
    service: resource['service.name'],
    instance: resource['service.instance.id'],
    component: resource['tulle.component'],
    startMs: wallOffsetMs + record.double(DOUBLE.startedMs),
    endMs: wallOffsetMs + record.double(DOUBLE.endedMs),
    attributes: content.attributes,
    events: [],
    error: content.error,
    errorMessage: content.errorMessage,
    usual,
  };
}

/** Attributes of which those that are undefined or empty are none. */
export type SomeAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** As it leaves the ring. */
export interface OwnSpan extends Omit<FoundSpan, 'attributes'> {
  readonly attributes: SomeAttributes;
}

/** What a span says, besides when and in which trace. */
export interface SpanContent extends Pick<FoundSpan, 'name' | 'kind' | 'error' | 'errorMessage'> {
  readonly attributes: SomeAttributes;
}

/** With the attributes that say something. */
export function shownSpan(span: OwnSpan): FoundSpan {
  const present = Object.entries(span.attributes).filter(([, value]) => value !== undefined && value !== '');
  return { ...span, attributes: Object.fromEntries(present) as FoundAttributes };
}

/** Of an exchange, or of a connection that was passed on. */
function exchangeContent(record: SpanRecord): SpanContent {
  const connection = record.has(FLAG_CONNECTION);
  const { direction, route } = record.origin;
  const inbound = direction === 'inbound';
  const method = METHODS[record.word(WORD.method)] as string;
  const status = record.word(WORD.status);
  const failure = record.word(WORD.failure);
  const rpc = record.has(FLAG_GRPC);
  const grpcStatus = record.word(WORD.grpcStatus);
  const error = errorTypeOf(failure, status, direction) || (rpc ? statusError(grpcStatus, direction) : '');
  const failed = isError(error, failure, inbound);
  return {
    name: connection ? connectionName(record) : rpc ? methodOf(record) : httpName(method, route),
    kind: inbound ? 'server' : 'client',
    error: failed,
    errorMessage: failed ? record.text(WORD.detailBytes) : '',
    attributes: connection
      ? connectionAttributes(record, error)
      : attributesOf(record, method, status, error),
  };
}

function attributesOf(record: SpanRecord, method: string, status: number, error: string): SomeAttributes {
  const { direction, route, rule } = record.origin;
  const inbound = direction === 'inbound';
  const failure = record.word(WORD.failure);
  const upstreamIdentity = record.name(WORD.upstreamIdentity);
  const peerIdentity = record.name(WORD.peerIdentity);
  const server = splitAddress(record.text(WORD.authorityBytes));
  // The peer of the conventions is the other end of the connection on the network: the caller inbound, the endpoint outbound.
  const peer = splitAddress(record.text(WORD.addressBytes));
  const endpoint = splitAddress(record.name(WORD.endpoint));
  const attributes: Record<string, string | number | undefined> = {
    'http.request.method': method,
    'url.path': record.text(WORD.pathBytes),
    'url.scheme': (inbound ? peerIdentity : upstreamIdentity) === '' ? 'http' : 'https',
    'server.address': server.host,
    'server.port': server.port,
    'http.response.status_code': status === 0 ? undefined : status,
    'network.peer.address': inbound ? peer.host : endpoint.host,
    'network.peer.port': inbound ? peer.port : endpoint.port,
    'network.protocol.version': versionOf(record),
    ...(record.has(FLAG_GRPC) ? rpcAttributes(record) : {}),
    'error.type': error,
    'tulle.direction': direction,
    'tulle.route': route,
    ...(rule === undefined ? {} : { 'tulle.rule': rule }),
    'tulle.request_id': record.text(WORD.requestIdBytes),
    'tulle.failure.code': failure === 0 ? undefined : FAILURES[failure]?.name,
    'tulle.failure.detail': record.text(WORD.detailBytes),
    'tulle.peer.identity': peerIdentity,
    'tulle.upstream.identity': upstreamIdentity,
    'tulle.upstream.endpoint': record.name(WORD.endpoint),
    'tulle.token.issuer': record.name(WORD.tokenIssuer),
    ...accessAttributes(record.name(WORD.access)),
    ...wafAttributes(record.name(WORD.waf)),
    'tulle.policy.refusal': record.name(WORD.refusal),
    'tulle.policy.shadow': record.name(WORD.shadow),
    'tulle.attempts': record.word(WORD.attempts),
    'tulle.keep': REASONS[record.word(WORD.retained)],
    'tulle.request.body_bytes': record.double(DOUBLE.requestBytes),
    'tulle.response.body_bytes': record.double(DOUBLE.responseBytes),
  };
  if (record.double(DOUBLE.acceptMs) > 0) attributes['tulle.accept_ms'] = record.double(DOUBLE.acceptMs);
  PHASES.forEach((_phase, i) => {
    const ms = record.double(DOUBLE.phases + i);
    if (ms >= 0) attributes[PHASE_NAMES[i] as string] = ms;
  });
  return attributes;
}

function rpcAttributes(record: SpanRecord): SomeAttributes {
  return {
    'rpc.system.name': 'grpc',
    'rpc.method': methodOf(record),
    'rpc.response.status_code': statusName(record.word(WORD.grpcStatus)),
  };
}

/** The path of a call is its method behind a slash. */
function methodOf(record: SpanRecord): string {
  return record.text(WORD.pathBytes).slice(1);
}

function httpName(method: string, route: string): string {
  return `${method === '_OTHER' ? 'HTTP' : method} ${route}`;
}

function versionOf(record: SpanRecord): string {
  if (record.has(FLAG_HTTP_2)) return '2';
  return record.has(FLAG_HTTP_1_0) ? '1.0' : '1.1';
}

/** A caller's own mistake, or its hanging up, is no error of the server that answered it. */
function isError(error: string, failure: number, inbound: boolean): boolean {
  if (error === '') return false;
  return !inbound || failure === 0 || FAILURES[failure]?.source !== 'downstream';
}

function wordsText(record: SpanRecord, word: number, count: number): string {
  let text = '';
  for (let i = 0; i < count; i++) text += hexText(record.word(word + i));
  return text;
}
