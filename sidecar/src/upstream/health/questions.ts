/**
 * What endpoints are asked over HTTP, and by gRPC's own protocol for it
 * (https://github.com/grpc/grpc/blob/master/doc/health-checking.md).
 */
import type { HealthCheckSpec } from './config.ts';
import type { Question } from './exchange-check.ts';

const USER_AGENT = 'user-agent: tulle-health-check';
const NO_BODY = Buffer.alloc(0);
/** HealthCheckResponse.ServingStatus. */
const SERVING_STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const SERVING = 1;
/** Field 1 of a message in protobuf's encoding: of HealthCheckRequest a string, of HealthCheckResponse an enum. */
const FIELD_1_BYTES = 0x0a;
const FIELD_1_VARINT = 0x08;
/** In front of a gRPC message: whether it is compressed, and its length. */
const PREFIX_BYTES = 5;

/** `host` is for policies that name none. */
export function httpQuestion(
  { path, host: named, statuses }: NonNullable<HealthCheckSpec['http']>,
  host: string,
): Question {
  const lines = [`GET ${path} HTTP/1.1`, `host: ${named ?? host}`, USER_AGENT, '', ''];
  const isExpected = (status: number): boolean =>
    statuses === undefined ? status >= 200 && status <= 299 : statuses.includes(status);
  return {
    head: Buffer.from(lines.join('\r\n'), 'latin1'),
    body: NO_BODY,
    judge: ({ status }) => (isExpected(status) ? '' : `status ${status}`),
  };
}

export function grpcQuestion({ service }: NonNullable<HealthCheckSpec['grpc']>, host: string): Question {
  const body = encodeRequest(service);
  const lines = [
    'POST /grpc.health.v1.Health/Check HTTP/1.1',
    `host: ${host}`,
    'content-type: application/grpc',
    'te: trailers',
    'connection: te',
    USER_AGENT,
    `content-length: ${body.length}`,
    '',
    '',
  ];
  return {
    head: Buffer.from(lines.join('\r\n'), 'latin1'),
    body,
    judge: ({ grpcStatus }, answer) => {
      if (grpcStatus !== 0) return grpcStatus < 0 ? 'no gRPC status' : `gRPC status ${grpcStatus}`;
      const status = readServingStatus(answer);
      return status === SERVING ? '' : (SERVING_STATUSES[status] ?? 'no answer that can be read');
    },
  };
}

function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service, 'latin1');
  const message = name.length === 0 ? [] : [FIELD_1_BYTES, ...encodeVarint(name.length), ...name];
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, Buffer.from(message)]);
}

function encodeVarint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...encodeVarint(value >>> 7)];
}

/** -1 when there is no message that can be read. */
function readServingStatus(answer: Buffer): number {
  if (answer.length < PREFIX_BYTES || answer[0] !== 0) return -1;
  const length = answer.readUInt32BE(1);
  // What is not said is 0 in protobuf.
  if (length === 0) return 0;
  const [field, status = -1] = answer.subarray(PREFIX_BYTES, PREFIX_BYTES + length);
  return field === FIELD_1_VARINT && status < 0x80 ? status : -1;
}
