import type { AttributeValue, Span, SpanEvent, SpanKind } from './span.ts';
import type { Trace } from './trace.ts';

// Traces for tests, written by hand as a tree: `at` is relative to the trace's begin, ids are counted.

export type Sketch = {
  service: string;
  kind: SpanKind;
  /** `[start, end]` in milliseconds. */
  at: [number, number];
  name?: string;
  sidecar?: boolean;
  error?: string;
  attributes?: Record<string, AttributeValue>;
  events?: string[];
  /** p50 and p99 of its route in milliseconds. */
  usual?: [number, number];
  children?: Sketch[];
};

const EPOCH_MS = 1_700_000_000_000;

export function sketchTrace(...roots: Sketch[]): Trace {
  const spans: Span[] = [];
  for (const root of roots) sketchSpans(root, null, spans);
  return { traceId: 'a'.repeat(32), spans: new Map(spans.map((span) => [span.spanId, span])), dropped: 0 };
}

/** The hop `POST /path` through the caller's sidecar and the callee's to the callee. */
export function sketchCall(
  from: string,
  to: string,
  path: string,
  status: number,
  [start, end]: [number, number],
  inside: Sketch[] = [],
): Sketch {
  const http = { 'http.request.method': 'POST', 'url.path': path, 'http.response.status_code': status };
  const error = status >= 500 ? { error: '' } : {};
  const identity = (name: string) => `spiffe://demo.tulle.test/ns/demo/sa/${name}`;
  return {
    service: from,
    kind: 'client',
    at: [start, end],
    name: 'POST',
    attributes: http,
    ...error,
    children: [
      {
        service: from,
        kind: 'client',
        sidecar: true,
        at: [start + 1, end - 1],
        ...error,
        attributes: {
          ...http,
          'tulle.direction': 'outbound',
          'tulle.upstream.identity': identity(to),
          'tulle.request_id': 'req-1',
          'tulle.phase.pool_ms': 0.02,
          'tulle.phase.upstream_ms': end - start - 2,
        },
        children: [
          {
            service: to,
            kind: 'server',
            sidecar: true,
            at: [start + 2, end - 2],
            ...error,
            attributes: {
              ...http,
              'tulle.direction': 'inbound',
              'tulle.peer.identity': identity(from),
              'tulle.request_id': 'req-1',
              'tulle.phase.head_ms': 0.05,
              'tulle.phase.upstream_ms': end - start - 4,
            },
            children: [
              {
                service: to,
                kind: 'server',
                at: [start + 3, end - 3],
                name: `POST ${path}`,
                attributes: { ...http, 'tulle.request_id': 'req-1' },
                ...error,
                children: inside,
              },
            ],
          },
        ],
      },
    ],
  };
}

function sketchSpans(sketch: Sketch, parentId: string | null, spans: Span[]): void {
  const spanId = String(spans.length + 1).padStart(16, '0');
  const events: SpanEvent[] = (sketch.events ?? []).map((name) => ({
    name,
    atMs: EPOCH_MS + sketch.at[1],
    attributes: new Map(),
  }));
  spans.push({
    traceId: 'a'.repeat(32),
    spanId,
    parentId,
    name: sketch.name ?? 'work',
    kind: sketch.kind,
    service: sketch.service,
    instance: sketch.service,
    component: sketch.sidecar === true ? 'sidecar' : 'service',
    startMs: EPOCH_MS + sketch.at[0],
    endMs: EPOCH_MS + sketch.at[1],
    attributes: new Map(Object.entries(sketch.attributes ?? {})),
    events,
    error: sketch.error !== undefined,
    errorMessage: sketch.error ?? '',
    usual: sketch.usual === undefined ? null : { p50Ms: sketch.usual[0], p99Ms: sketch.usual[1] },
  });
  for (const child of sketch.children ?? []) sketchSpans(child, spanId, spans);
}
