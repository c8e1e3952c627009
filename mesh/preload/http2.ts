/**
 * HTTP/2 of `node:http2`: streams that come in begin a context, those of gRPC as well, and streams that go out carry it, but for those of gRPC.
 *
 * The channel of client streams speaks when their fields are on the way already, so that sessions are wrapped instead.
 */
import { subscribe } from 'node:diagnostics_channel';
import http2, { type ClientHttp2Session, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { bindEmitter, bindToCurrent, enterContext, missingFields, runWithoutContext } from './context.ts';
import { guard } from './guard.ts';
import { isAtLeast } from './node-version.ts';

type Request = ClientHttp2Session['request'];
type Headers = Parameters<Request>[0] | readonly string[];
type CreateServer = (...args: unknown[]) => http2.Http2Server;

/** Those of exports that are wrapped; `syncBuiltinESMExports` makes imports follow. */
export function watchHttp2(): void {
  if (isAtLeast([22, 18], [24, 3])) subscribe('http2.server.stream.created', guard(onServerStream));
  else {
    const exports = http2 as unknown as Record<'createServer' | 'createSecureServer', CreateServer>;
    exports.createServer = watchingServers(exports.createServer);
    exports.createSecureServer = watchingServers(exports.createSecureServer);
  }
  const { connect } = http2;
  const onSession = guard(watchSession);
  (http2 as { connect: unknown }).connect = (...args: Parameters<typeof connect>) => {
    const session = connect(...args);
    onSession(session);
    return session;
  };
}

function onServerStream(message: unknown): void {
  const { stream, headers } = message as { stream: ServerHttp2Stream; headers: IncomingHttpHeaders };
  const context = enterContext(headers);
  if (context !== undefined) bindEmitter(stream, context, true);
}

/** Where nothing tells of streams that come in. */
function watchingServers(createServer: CreateServer): CreateServer {
  return (...args) => {
    const server = createServer(...args);
    const { emit } = server;
    const onStream = guard((stream: unknown, headers: unknown) => onServerStream({ stream, headers }));
    server.emit = function (this: typeof server, ...event: [string, ...unknown[]]) {
      if (event[0] === 'stream') onStream(event[1], event[2]);
      return Reflect.apply(emit, this, event);
    } as typeof emit;
    return server;
  };
}

const onClientStream = guard(bindToCurrent);

function watchSession(session: ClientHttp2Session): void {
  const { request } = session;
  session.request = function (this: ClientHttp2Session, headers, options) {
    const send = (fields: Headers) => Reflect.apply(request, this, [fields, options]) as ReturnType<Request>;
    if (isGrpc(headers)) return runWithoutContext(() => send(headers));
    const stream = send(withContext(this, headers));
    onClientStream(stream);
    return stream;
  };
}

/** Its clients send what waited for a channel in the context of whoever waited first. */
function isGrpc(headers: Headers): boolean {
  if (headers === undefined || headers === null || Array.isArray(headers)) return false;
  return String((headers as Record<string, unknown>)['content-type']).startsWith('application/grpc');
}

/** The fields of a request with those it lacks: a copy, or the same where it lacks none or is not understood. */
function withContext(session: ClientHttp2Session, headers: Headers): Headers {
  try {
    const isList = Array.isArray(headers);
    const names = isList ? headers.filter((_, i) => i % 2 === 0) : Object.keys(headers ?? {});
    const known = new Set(names.map((name) => String(name).toLowerCase()));
    const method = isList ? '' : (headers as Record<string, unknown> | undefined)?.[':method'];
    const fields = missingFields(session.encrypted === true, (name) => known.has(name));
    if (fields.length === 0 || method === 'CONNECT') return headers;
    return isList ? [...headers, ...fields.flat()] : { ...headers, ...Object.fromEntries(fields) };
  } catch {
    return headers;
  }
}
