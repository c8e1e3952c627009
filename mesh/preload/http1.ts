/**
 * HTTP/1.1 of `node:http` and `node:https`: requests that come in begin a context, requests that go out carry it.
 */
import { subscribe } from 'node:diagnostics_channel';
import http, { type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { bindEmitter, bindToCurrent, enterContext, missingFields } from './context.ts';
import { guard } from './guard.ts';
import { isAtLeast } from './node-version.ts';

/** What `node:http` has made of a request, whose names are older than private fields. */
type OutgoingRequest = ClientRequest & { _header: string | null; _headerSent: boolean };

export function watchHttp1(): void {
  subscribe('http.server.request.start', guard(onServerRequest));
  if (isAtLeast([22, 12], [23, 2])) subscribe('http.client.request.created', guard(onClientRequest));
  else watchHeads();
}

function onServerRequest(message: unknown): void {
  const { request, response } = message as { request: IncomingMessage; response: ServerResponse };
  const context = enterContext(request.headers);
  if (context === undefined) return;
  bindEmitter(request, context);
  bindEmitter(response, context, true);
}

function onClientRequest(message: unknown): void {
  const { request } = message as { request: OutgoingRequest };
  bindToCurrent(request);
  if (request._header !== null) {
    addToHead(request);
    return;
  }
  if (request.method === 'CONNECT') return;
  const fields = missingFields(isEncrypted(request), (name) => request.hasHeader(name));
  for (const [name, value] of fields) request.setHeader(name, value);
}

/** Until Node 22 nothing tells of a request before its head is made. */
function watchHeads(): void {
  const prototype = http.ClientRequest.prototype as unknown as { _storeHeader: (...args: unknown[]) => void };
  const { _storeHeader: storeHeader } = prototype;
  const onHead = guard((request: OutgoingRequest) => {
    bindToCurrent(request);
    addToHead(request);
  });
  prototype._storeHeader = function (this: OutgoingRequest, ...args) {
    Reflect.apply(storeHeader, this, args);
    onHead(this);
  };
}

/** Of a request whose fields were given as a list, the head is text from the start. */
function addToHead(request: OutgoingRequest): void {
  const head = request._header;
  if (typeof head !== 'string' || request._headerSent || !head.endsWith('\r\n\r\n')) return;
  if (request.method === 'CONNECT') return;
  const names = new Set(Array.from(head.matchAll(/\r\n([^:\r\n]+):/g), ([, name]) => name?.toLowerCase()));
  const fields = missingFields(isEncrypted(request), (name) => names.has(name));
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`);
  request._header = `${head.slice(0, -2)}${lines.join('')}\r\n`;
}

function isEncrypted({ protocol }: ClientRequest): boolean {
  return protocol === 'https:';
}
