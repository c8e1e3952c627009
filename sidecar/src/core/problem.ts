/**
 * Local replies: application/problem+json (RFC 9457), or a status of gRPC, with the failure code that log, span and metric carry too.
 */
import { STATUS_CODES } from 'node:http';
import { BODY_LENGTH, ResponseHead } from '../protocol/head.ts';
import type { Exchange } from './exchange.ts';
import { grpcReply } from './grpc.ts';

const NO_BODY = Buffer.alloc(0);

/** Head and body of the reply to `exchange.failure`, in the words that its caller understands. */
export function localReply(exchange: Exchange): { head: ResponseHead; body: Buffer } {
  if (!exchange.isGrpc) return problemReply(exchange);
  exchange.grpcStatus = exchange.failure.grpcStatus;
  return { head: grpcReply(exchange), body: NO_BODY };
}

function problemReply(exchange: Exchange): { head: ResponseHead; body: Buffer } {
  const { failure, failureDetail, route } = exchange;
  const title = STATUS_CODES[failure.httpStatus] ?? 'Error';
  const body = Buffer.from(
    `${JSON.stringify({
      type: `https://tulle.dev/failures/${failure.name}`,
      title,
      status: failure.httpStatus,
      detail: failureDetail === '' ? failure.reason : `${failure.reason} (${failureDetail})`,
      code: failure.name,
      source: failure.source,
      direction: route.direction,
      route: route.name,
      rule: route.rule === '' ? undefined : route.rule,
      requestId: exchange.requestId === '' ? undefined : exchange.requestId,
      waf: exchange.waf?.failure === failure ? exchange.waf.tell() : undefined,
    })}\n`,
  );
  const head = startResponse(failure.httpStatus, title);
  head.add('content-type', 'application/problem+json');
  head.add('content-length', String(body.length));
  head.bodyKind = BODY_LENGTH;
  head.contentLength = body.length;
  return { head, body };
}

/** A head to which fields can be added. */
export function startResponse(status: number, reason: string): ResponseHead {
  const head = new ResponseHead();
  head.status = status;
  head.length = head.bytes.write(`HTTP/1.1 ${status} ${reason}\r\n`, 'latin1');
  head.fieldsStart = head.length;
  return head;
}
