/**
 * The context of a request that a service serves: the fields that its own requests are to carry, for as long as they belong to it.
 *
 * Invariants: fields are handed on as they came, or not at all; what one request brought is never seen by another; a context ends a while after
 * its response has.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { EventEmitter } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { LIMITS } from './limits.ts';

export type Field = readonly [name: string, value: string];

const HANDED_ON: readonly (readonly [name: string, maxChars: number])[] = [
  ['traceparent', LIMITS.traceparentChars],
  ['tracestate', LIMITS.tracestateChars],
  ['baggage', LIMITS.baggageChars],
  ['x-request-id', LIMITS.requestIdChars],
];

const storage = new AsyncLocalStorage<RequestContext | undefined>();
/** Where OpenTelemetry's API, major version 1, keeps what was registered. */
const OPENTELEMETRY = Symbol.for('opentelemetry.js.api.1');

export class RequestContext {
  /** At least one. */
  readonly fields: readonly Field[];
  /** Monotonic; 0 while the request is served. */
  private endedMs = 0;

  constructor(fields: readonly Field[]) {
    this.fields = fields;
  }

  end(): void {
    if (this.endedMs === 0) this.endedMs = performance.now();
  }

  get isOver(): boolean {
    return this.endedMs !== 0 && performance.now() - this.endedMs > LIMITS.contextMs;
  }
}

/** Of what is done from here on in this round of events; undefined where the request brought nothing. */
export function enterContext(headers: IncomingHttpHeaders): RequestContext | undefined {
  const fields: Field[] = [];
  for (const [name, maxChars] of HANDED_ON) {
    const value = headers[name];
    if (typeof value === 'string' && value !== '' && value.length <= maxChars) fields.push([name, value]);
  }
  const context = fields.length === 0 ? undefined : new RequestContext(fields);
  // Whatever was before on the same connection is over. Where nothing was, nothing is switched on.
  if (context !== undefined || storage.getStore() !== undefined) storage.enterWith(context);
  return context;
}

export function currentContext(): RequestContext | undefined {
  const context = storage.getStore();
  return context === undefined || context.isOver ? undefined : context;
}

/** Fields of the current context that a request lacks. `has` is asked about lower-case names. */
export function missingFields(isEncrypted: boolean, has: (name: string) => boolean): Field[] {
  const context = currentContext();
  if (context === undefined) return [];
  // Whoever speaks of the trace has a reason to, and a tracestate belongs to its traceparent.
  const tracesItself = isTraced() || has('traceparent');
  return context.fields.filter(([name]) => {
    if (name === 'traceparent' || name === 'tracestate') return !tracesItself;
    // A sidecar can't see there what passes the border of the mesh.
    if (name === 'baggage' && (isTraced() || (isEncrypted && !BAGGAGE_OVER_TLS))) return false;
    return !has(name);
  });
}

/** Listeners run in the context, whatever connection wakes them. */
export function bindEmitter(emitter: EventEmitter, context: RequestContext, endsIt = false): void {
  const { emit } = emitter;
  const value = function (this: EventEmitter, ...args: Parameters<typeof emit>): boolean {
    if (endsIt && args[0] === 'close') context.end();
    return storage.run(context, Reflect.apply, emit, this, args) as boolean;
  };
  Object.defineProperty(emitter, 'emit', { value, configurable: true, writable: true });
}

/** So that what a request of its own tells the service, errors of the connection among it, belongs to the request that is served. */
export function bindToCurrent(emitter: EventEmitter): void {
  const context = currentContext();
  if (context !== undefined) bindEmitter(emitter, context);
}

export function runWithoutContext<T>(action: () => T): T {
  return storage.getStore() === undefined ? action() : storage.exit(action);
}

const BAGGAGE_OVER_TLS = process.env.TULLE_BAGGAGE_OVER_TLS === 'on';

/** An SDK of OpenTelemetry hands on by itself, and two traceparents would be as good as none. */
function isTraced(): boolean {
  const api = (globalThis as Record<symbol, { propagation?: unknown } | undefined>)[OPENTELEMETRY];
  return api?.propagation !== undefined;
}
