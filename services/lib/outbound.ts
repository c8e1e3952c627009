/**
 * The only way out of a service: every call goes to the local sidecar's outbound listener as a plain HTTP proxy request (absolute-form),
 * so that `http://webhook-dispatcher/…` names a service and the sidecar does TLS, balancing and policy. Without a sidecar calls go direct.
 *
 * Invariants: each call is one client span and carries traceparent, tracestate, baggage and x-request-id of the active context; redirects are not
 * followed; time, concurrency and what is read of an answer are bounded; no connection is needed before the first call.
 */
import { context, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_REQUEST_RESEND_COUNT,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_URL_FULL,
} from '@opentelemetry/semantic-conventions';
import { Agent, type Dispatcher, Pool } from 'undici';
import { LIMITS } from './limits.ts';
import { PROBLEM_TYPE } from './problem.ts';
import { injectContext, withSpan } from './request-context.ts';
import { endSpan, startSpan } from './span.ts';

export interface OutboundRequest {
  method: 'GET' | 'POST' | 'PUT';
  url: string;
  /** The URL's path with placeholders: names the span without one name per id. */
  route?: string;
  headers?: Record<string, string>;
  body?: string;
  timeoutMs: number;
  /** What is read of the answer at most. */
  responseBytes?: number;
  /** How often this same message was sent before. */
  resendCount?: number;
}

export interface OutboundResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

export type OutboundFailure = 'unreachable' | 'timeout' | 'overloaded';

export interface Outbound {
  /** Resolves for any status. @throws OutboundError when there is no answer. */
  request: (request: OutboundRequest) => Promise<OutboundResponse>;
  close: () => Promise<void>;
}

export class OutboundError extends Error {
  override name = 'OutboundError';
  readonly code: OutboundFailure;

  constructor(code: OutboundFailure, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

export function openOutbound(sidecarUrl?: string): Outbound {
  const wire = sidecarUrl === undefined ? openDirect() : openThroughSidecar(sidecarUrl);
  let inFlight = 0;

  const request = async (call: OutboundRequest): Promise<OutboundResponse> => {
    const url = new URL(call.url);
    const parent = context.active();
    const span = startSpan(
      call.route ? `${call.method} ${call.route}` : call.method,
      {
        kind: SpanKind.CLIENT,
        attributes: {
          [ATTR_HTTP_REQUEST_METHOD]: call.method,
          [ATTR_URL_FULL]: call.url,
          [ATTR_SERVER_ADDRESS]: url.hostname,
          [ATTR_SERVER_PORT]: Number(url.port || 80),
          ...(call.resendCount ? { [ATTR_HTTP_REQUEST_RESEND_COUNT]: call.resendCount } : {}),
        },
      },
      parent,
    );
    const headers = { ...call.headers, ...injectContext(withSpan(parent, span)) };
    inFlight++;
    try {
      if (inFlight > LIMITS.outboundInFlight) {
        throw new OutboundError('overloaded', `more than ${LIMITS.outboundInFlight} calls are in flight`);
      }
      const response = await send(wire, url, call, headers);
      span.setAttribute(ATTR_HTTP_RESPONSE_STATUS_CODE, response.status);
      if (response.status >= 400) {
        span.setAttribute(ATTR_ERROR_TYPE, String(response.status));
        span.setStatus({ code: SpanStatusCode.ERROR });
      }
      return response;
    } catch (error) {
      const failure = toOutboundError(error, url, call.timeoutMs);
      span.setAttribute(ATTR_ERROR_TYPE, failure.code);
      span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message });
      throw failure;
    } finally {
      inFlight--;
      endSpan(span);
    }
  };
  return { request, close: () => wire.dispatcher.destroy() };
}

/** One line for a reason field: the status, and the code a mesh or service put into a problem+json body. */
export function describeResponse(response: OutboundResponse): string {
  const code = codeOf(response);
  return code === undefined ? `answered ${response.status}` : `answered ${response.status} (${code})`;
}

/** The code of a problem+json body. */
export function codeOf({ headers, body }: OutboundResponse): string | undefined {
  const isProblem = String(headers['content-type'] ?? '').startsWith(PROBLEM_TYPE);
  return isProblem ? /"code"\s*:\s*"([a-z0-9_]{1,64})"/.exec(body)?.[1] : undefined;
}

/** What our own caller is answered where there was no answer. */
export function statusOf({ code }: OutboundError): 502 | 504 {
  return code === 'timeout' ? 504 : 502;
}

/** The field that says when to come back, for who passes a refusal on. */
export function retryAfterOf({ headers }: OutboundResponse): Record<string, string> {
  const retryAfter = headers['retry-after'];
  return typeof retryAfter === 'string' ? { 'retry-after': retryAfter } : {};
}

interface Wire {
  dispatcher: Agent | Pool;
  addressOf: (url: URL) => Pick<Dispatcher.RequestOptions, 'path'> & { origin?: string };
}

const CONNECTIONS = {
  connections: LIMITS.outboundConnections,
  connect: { timeout: LIMITS.outboundConnectMs },
};

function openThroughSidecar(sidecarUrl: string): Wire {
  // undici's ProxyAgent keeps a pool a target and would tunnel TLS; one pool to the sidecar and an absolute URL as request target
  // is all that a plain HTTP proxy needs.
  return {
    dispatcher: new Pool(new URL(sidecarUrl).origin, CONNECTIONS),
    addressOf: (url) => ({ path: url.origin + url.pathname + url.search }),
  };
}

function openDirect(): Wire {
  return {
    dispatcher: new Agent(CONNECTIONS),
    addressOf: (url) => ({ origin: url.origin, path: url.pathname + url.search }),
  };
}

async function send(
  wire: Wire,
  url: URL,
  call: OutboundRequest,
  headers: Record<string, string | undefined>,
): Promise<OutboundResponse> {
  const response = await wire.dispatcher.request({
    ...wire.addressOf(url),
    method: call.method,
    headers: { ...headers, host: url.host },
    body: call.body ?? null,
    signal: AbortSignal.timeout(call.timeoutMs),
  } as Dispatcher.RequestOptions & { origin: string });
  const body = await readText(response.body, call.responseBytes ?? LIMITS.responseBodyBytes);
  return { status: response.statusCode, headers: response.headers, body };
}

async function readText(body: AsyncIterable<Buffer>, bytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    // Leaving the loop destroys the body and its connection: cheaper than reading what nobody wants.
    if (size > bytes) break;
  }
  return Buffer.concat(chunks, Math.min(size, bytes)).toString('utf8');
}

function toOutboundError(error: unknown, url: URL, timeoutMs: number): OutboundError {
  if (error instanceof OutboundError) return error;
  const { name, code, message } = error as NodeJS.ErrnoException;
  if (name === 'TimeoutError') {
    return new OutboundError('timeout', `${url.host} did not answer within ${timeoutMs} ms`, error);
  }
  return new OutboundError('unreachable', `${url.host} is unreachable: ${code ?? message}`, error);
}
