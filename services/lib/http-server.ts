/**
 * The HTTP side of every service: request context, server span, one log line a request, problem+json errors, health, drain.
 *
 * Invariants: every answer carries x-request-id; a span, a log line and the in-flight count end exactly once, when the response is closed;
 * health answers need no span and stay available until the very end of a drain.
 */
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { type Context, context, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_URL_PATH,
  ATTR_URL_SCHEME,
} from '@opentelemetry/semantic-conventions';
import {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
} from 'fastify';
import { LIMITS } from './limits.ts';
import type { Logger } from './log.ts';
import { ATTR_PROBLEM_CODE, ATTR_PROBLEM_DETAIL, PROBLEM_TYPE, Problem } from './problem.ts';
import {
  extractContext,
  REQUEST_ID_HEADER,
  requestIdOf,
  withRequestId,
  withSpan,
} from './request-context.ts';
import { endSpan, startSpan } from './span.ts';

export interface HttpServer {
  app: FastifyInstance;
  /** Resolves with the port once connections are accepted. */
  listen: (address: { host: string; port: number }) => Promise<number>;
  /** Ready turns 503, new requests are refused; resolves when those in flight are answered. */
  drain: () => Promise<void>;
  close: () => Promise<void>;
}

/** Resolves with `ok` when the dependency works, or with what is to be known all the same. Rejects with the reason when it does not. */
export type ReadinessCheck = () => Promise<string>;

declare module 'fastify' {
  interface FastifyRequest {
    /** Trace and request id of this request; null on health checks. */
    scope: Context | null;
  }
}

interface Traffic {
  inFlight: number;
  draining: boolean;
  onIdle: () => void;
}

export function createHttpServer(log: Logger, checks: ReadonlyMap<string, ReadinessCheck>): HttpServer {
  const app = fastify({
    bodyLimit: LIMITS.requestBodyBytes,
    routerOptions: { maxParamLength: LIMITS.pathParamChars },
    requestTimeout: LIMITS.requestReceiveMs,
    keepAliveTimeout: LIMITS.keepAliveMs,
    forceCloseConnections: 'idle',
    logger: false,
  });
  const traffic: Traffic = { inFlight: 0, draining: false, onIdle: () => {} };
  // JSON is what services speak; the framework would hand plain text to a handler as a string.
  app.removeContentTypeParser('text/plain');
  app.decorateRequest('scope', null);
  app.addHook('onRequest', (request, reply, done) => beginRequest(request, reply, done, traffic, log));
  // Body parsing resumes in the socket's async context, so the request's own has to be entered again.
  app.addHook('preValidation', (request, _reply, done) =>
    context.with(request.scope ?? context.active(), done),
  );
  app.setErrorHandler((error: FastifyError, request, reply) =>
    sendProblem(toProblem(error), request, reply, log),
  );
  app.setNotFoundHandler((request, reply) => {
    const detail = `There is no ${request.method} ${pathOf(request.url)} here.`;
    return sendProblem(new Problem({ status: 404, code: 'no_such_route', detail }), request, reply, log);
  });
  addHealthRoutes(app, checks, traffic);

  return {
    app,
    listen: async (address) => {
      await app.listen(address);
      return (app.addresses()[0] as AddressInfo).port;
    },
    drain: async () => {
      traffic.draining = true;
      if (traffic.inFlight > 0) {
        await new Promise<void>((resolve) => {
          traffic.onIdle = resolve;
        });
      }
    },
    close: () => app.close(),
  };
}

function beginRequest(
  request: FastifyRequest,
  reply: FastifyReply,
  done: (error?: Error) => void,
  traffic: Traffic,
  log: Logger,
): void {
  if (isHealthCheck(request)) {
    done();
    return;
  }
  const received = extractContext(request.headers);
  const parent = requestIdOf(received) === undefined ? withRequestId(received, randomUUID()) : received;
  const span = startServerSpan(request, parent);
  const scope = withSpan(parent, span);
  request.scope = scope;
  reply.header(REQUEST_ID_HEADER, requestIdOf(scope));
  const startedAt = performance.now();
  traffic.inFlight++;
  // 'close' comes once, after a complete answer as well as after an aborted one.
  reply.raw.once('close', () => {
    context.with(scope, () => endRequest(request, reply, span, startedAt, log));
    if (--traffic.inFlight === 0) traffic.onIdle();
  });
  context.with(scope, () => done(traffic.draining ? drainingProblem() : undefined));
}

function startServerSpan(request: FastifyRequest, parent: Context): Span {
  const route = request.routeOptions.url;
  return startSpan(
    route ? `${request.method} ${route}` : request.method,
    {
      kind: SpanKind.SERVER,
      attributes: {
        [ATTR_HTTP_REQUEST_METHOD]: request.method,
        [ATTR_URL_PATH]: pathOf(request.url),
        [ATTR_URL_SCHEME]: 'http',
        ...(route ? { [ATTR_HTTP_ROUTE]: route } : {}),
      },
    },
    parent,
  );
}

function endRequest(
  request: FastifyRequest,
  reply: FastifyReply,
  span: Span,
  startedAt: number,
  log: Logger,
): void {
  const status = reply.raw.statusCode;
  const aborted = !reply.raw.writableFinished;
  if (aborted) span.setAttribute(ATTR_ERROR_TYPE, 'aborted');
  else span.setAttribute(ATTR_HTTP_RESPONSE_STATUS_CODE, status);
  if (!aborted && status >= 500) {
    span.setAttribute(ATTR_ERROR_TYPE, String(status));
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  endSpan(span);
  log.info(
    {
      method: request.method,
      path: pathOf(request.url),
      status: aborted ? undefined : status,
      aborted: aborted || undefined,
      durationMs: Math.round((performance.now() - startedAt) * 1_000) / 1_000,
    },
    'request',
  );
}

function addHealthRoutes(
  app: FastifyInstance,
  checks: ReadonlyMap<string, ReadinessCheck>,
  traffic: Traffic,
): void {
  app.get('/healthz/live', () => ({ status: 'live' }));
  app.get('/healthz/ready', async (_request, reply) => {
    const results = await Promise.all(
      [...checks].map(async ([name, check]) => ({ name, ...(await outcomeOf(check)) })),
    );
    const works = results.every((result) => result.works);
    const status = traffic.draining ? 'draining' : works ? 'ready' : 'not_ready';
    reply.code(status === 'ready' ? 200 : 503);
    return { status, checks: Object.fromEntries(results.map(({ name, outcome }) => [name, outcome])) };
  });
}

async function outcomeOf(check: ReadinessCheck): Promise<{ works: boolean; outcome: string }> {
  try {
    return { works: true, outcome: await check() };
  } catch (error) {
    return { works: false, outcome: (error as Error).message };
  }
}

function toProblem(error: FastifyError | Problem): Problem {
  if (error instanceof Problem) return error;
  // The framework's own refusals of a request: body too large, not JSON, unsupported media type and the like.
  if (error.statusCode !== undefined && error.statusCode < 500) {
    return new Problem({
      status: error.statusCode,
      code: 'bad_request',
      detail: error.message,
      cause: error,
    });
  }
  const detail = 'The service failed; its log has the reason under this request id.';
  return new Problem({ status: 500, code: 'internal', detail, cause: error });
}

function sendProblem(
  problem: Problem,
  request: FastifyRequest,
  reply: FastifyReply,
  log: Logger,
): FastifyReply {
  context.with(request.scope ?? context.active(), () => {
    const { code, message: detail, cause } = problem;
    const reason = (cause as Error | undefined)?.message;
    if (code === 'internal') log.error({ code, err: cause }, 'request failed');
    else log.warn({ code, detail, reason }, 'request refused');
    trace.getActiveSpan()?.setAttributes({
      [ATTR_PROBLEM_CODE]: code,
      // The text of a defect may hold anything: it stays in the log.
      [ATTR_PROBLEM_DETAIL]: code === 'internal' ? (cause as Error).name : detail,
    });
  });
  const requestId = request.scope ? requestIdOf(request.scope) : undefined;
  return reply
    .code(problem.status)
    .headers(problem.headers)
    .type(PROBLEM_TYPE)
    .send(JSON.stringify(problem.toBody(requestId)));
}

function drainingProblem(): Problem {
  return new Problem({
    status: 503,
    code: 'draining',
    detail: 'The service is shutting down; send the request again.',
    headers: { connection: 'close', 'retry-after': '1' },
  });
}

function isHealthCheck(request: FastifyRequest): boolean {
  return request.url.startsWith('/healthz/');
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}
