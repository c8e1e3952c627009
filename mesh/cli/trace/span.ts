// A span as people are shown it: decoded once where it came in, frozen in shape, times in milliseconds. What tells a trace (tree,
// verdict, waterfall) knows only this type, and nothing of OTLP or of HTTP.

export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer';
export type AttributeValue = string | number | boolean;
export type Attributes = ReadonlyMap<string, AttributeValue>;

export type SpanEvent = { readonly name: string; readonly atMs: number; readonly attributes: Attributes };

export type Span = {
  readonly traceId: string;
  readonly spanId: string;
  /** null for a root. */
  readonly parentId: string | null;
  readonly name: string;
  readonly kind: SpanKind;
  readonly service: string;
  /** Which process of the service; empty where nobody told. */
  readonly instance: string;
  readonly component: 'sidecar' | 'service';
  /** Milliseconds since the epoch with a fraction; a double holds quarter microseconds there. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  readonly events: readonly SpanEvent[];
  /** OTel status ERROR. */
  readonly error: boolean;
  readonly errorMessage: string;
  /** How long requests of its route take as a rule; null where that is not known. */
  readonly usual: Usual | null;
};

export type Usual = { readonly p50Ms: number; readonly p99Ms: number };

export function text(span: Span, key: string): string | null {
  const value = span.attributes.get(key);
  return value === undefined || value === '' ? null : String(value);
}

export function httpStatus(span: Span): number | null {
  const value = Number(span.attributes.get('http.response.status_code'));
  return Number.isInteger(value) && value >= 100 && value <= 599 ? value : null;
}

/** `GET /path` or the queue where the span tells, its name otherwise. */
export function operation(span: Span): string {
  if (span.kind === 'producer' || span.kind === 'consumer') {
    return text(span, 'messaging.destination.name') ?? span.name;
  }
  const method = text(span, 'http.request.method');
  const path = text(span, 'url.path') ?? pathOf(text(span, 'url.full'));
  return method !== null && path !== null ? `${method} ${path}` : span.name;
}

/** Sidecars speak of their direction; for a service it follows from the kind. */
export function direction(span: Span): 'inbound' | 'outbound' | null {
  const said = text(span, 'tulle.direction');
  if (said === 'inbound' || said === 'outbound') return said;
  if (span.kind === 'server' || span.kind === 'consumer') return 'inbound';
  return span.kind === 'client' || span.kind === 'producer' ? 'outbound' : null;
}

const WAYS = { inbound: ' in', outbound: ' out' };

/** `sidecar out`, `service in`, `job taken`: what a span is, besides of which service. */
export function hopName(span: Span): string {
  if (span.kind === 'producer') return 'job sent';
  if (span.kind === 'consumer') return 'job taken';
  const way = direction(span);
  return `${span.component}${way === null ? '' : WAYS[way]}`;
}

/** `gateway sidecar out` */
export function describeHop(span: Span): string {
  return `${span.service} ${hopName(span)}`;
}

/** The trust domain is the same for all: what tells them apart is the rest. */
export function shortIdentity(spiffeId: string): string {
  return spiffeId.replace(/^spiffe:\/\/[^/]+\//, '');
}

export function peerIdentity(span: Span): string | null {
  return text(span, direction(span) === 'outbound' ? 'tulle.upstream.identity' : 'tulle.peer.identity');
}

/** `[name, milliseconds]` of each phase that the sidecar measured, in the order it reports them, which is that of time. */
export function phases(span: Span): [string, number][] {
  const found: [string, number][] = [];
  for (const [key, value] of span.attributes) {
    const name = /^tulle\.phase\.(.+)_ms$/.exec(key)?.[1];
    if (name !== undefined && typeof value === 'number') found.push([name, value]);
  }
  return found;
}

/** What the sidecar ran into, by the mesh's closed list of failures. */
export function failureCode(span: Span): string | null {
  const code = text(span, 'tulle.failure.code');
  return code === 'none' ? null : code;
}

/** Whoever had asked did not wait for the answer. */
export function aborted(span: Span): boolean {
  return failureCode(span) === 'downstream_aborted' || text(span, 'error.type') === 'aborted';
}

/** The hop itself says that it failed; what its children say does not count. */
export function failed(span: Span): boolean {
  return span.error || (httpStatus(span) ?? 0) >= 500 || failureCode(span) !== null;
}

function pathOf(url: string | null): string | null {
  return url !== null && URL.canParse(url) ? new URL(url).pathname : null;
}
