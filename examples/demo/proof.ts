import { direction, peerIdentity, type Span, text } from '../../mesh/cli/trace/span.ts';
import type { Trace } from '../../mesh/cli/trace/trace.ts';
import { outstanding } from '../../mesh/cli/trace/trace-progress.ts';
import { buildTree } from '../../mesh/cli/trace/trace-tree.ts';
import { judge, type Outcome } from '../../mesh/cli/trace/verdict.ts';
import { spiffeId } from './topology.ts';

// What a trace must show before the demo calls itself a success: every hop, one request id, an authenticated peer wherever two sidecars
// talk, and the right verdict. Whatever is missing is said in a sentence; nothing missing is an empty list.

export type Expectation = {
  readonly requestId: string;
  /** The calls from sidecar to sidecar, `[from, to]`. */
  readonly calls: readonly (readonly [string, string])[];
  /** Who must have been seen: each with spans of its own and of its sidecar. */
  readonly services: readonly string[];
  /** Who must have seen nothing of it. */
  readonly spared?: readonly string[];
  readonly outcome: Outcome;
  /** Where the verdict must point, and words that must be in it. */
  readonly blamed?: string;
  readonly words?: readonly string[];
};

export function findMissing(traces: readonly Trace[], expected: Expectation): string[] {
  const [trace, ...more] = traces;
  if (trace === undefined) return ['no span with this request id arrived'];
  const spans = [...trace.spans.values()];
  return [
    ...(more.length > 0 ? [`the request is spread over ${more.length + 1} trace ids instead of one`] : []),
    ...expected.services.flatMap((name) => missingSpans(spans, name)),
    ...(expected.spared ?? []).flatMap((name) => unwantedSpans(spans, name)),
    ...expected.calls.flatMap(([from, to]) => missingCall(spans, from, to)),
    ...foreignRequestIds(spans, expected.requestId),
    ...outstanding(buildTree(trace)),
    ...wrongVerdict(trace, expected),
  ];
}

/** The same in numbers, for a trace in which nothing is missing. */
export function countSeen(trace: Trace): string {
  const spans = [...trace.spans.values()];
  const services = new Set(spans.map((span) => span.service)).size;
  const hops = spans.filter((span) => span.component === 'sidecar').length;
  const proofs = spans.filter((span) => span.component === 'sidecar' && peerIdentity(span) !== null).length;
  return `${services} service${services === 1 ? '' : 's'}, ${hops} sidecar hop${hops === 1 ? '' : 's'}, ${proofs} of them with a proven mTLS peer, one request id, one trace`;
}

function missingSpans(spans: readonly Span[], service: string): string[] {
  const seen = (component: Span['component']) =>
    spans.some((span) => span.service === service && span.component === component);
  return [
    ...(seen('service') ? [] : [`no span of ${service} itself`]),
    ...(seen('sidecar') ? [] : [`no span of the sidecar of ${service}`]),
  ];
}

function unwantedSpans(spans: readonly Span[], service: string): string[] {
  return spans.some((span) => span.service === service && span.component === 'service')
    ? [`${service} was reached, and should have been spared`]
    : [];
}

function missingCall(spans: readonly Span[], from: string, to: string): string[] {
  const name = `${from} -> ${to}`;
  const sent = sidecarSpans(spans, from, 'outbound').filter((span) => peerIdentity(span) === spiffeId(to));
  const sentIds = new Set(sent.map((span) => span.spanId));
  const received = sidecarSpans(spans, to, 'inbound').filter((span) => sentIds.has(span.parentId ?? ''));
  if (sent.length === 0) return [`${name}: no outbound span whose peer proved to be ${spiffeId(to)}`];
  if (received.length === 0) return [`${name}: no inbound span below the outbound one`];
  return received.some((span) => peerIdentity(span) !== spiffeId(from))
    ? [`${name}: an inbound span whose peer did not prove to be ${spiffeId(from)}`]
    : [];
}

function sidecarSpans(spans: readonly Span[], service: string, way: 'inbound' | 'outbound'): Span[] {
  return spans.filter(
    (span) => span.service === service && span.component === 'sidecar' && direction(span) === way,
  );
}

function foreignRequestIds(spans: readonly Span[], requestId: string): string[] {
  const without = new Set<string>();
  for (const span of spans) {
    const id = text(span, 'tulle.request_id');
    if (id !== requestId) without.add(`${span.service} (${span.component}) has ${id ?? 'no request id'}`);
  }
  return [...without].map((words) => `${words} instead of ${requestId}`);
}

function wrongVerdict(trace: Trace, expected: Expectation): string[] {
  const { outcome, at, words } = judge(buildTree(trace));
  const blamed = at?.span.service;
  const wrong =
    outcome !== expected.outcome ||
    blamed !== expected.blamed ||
    (expected.words ?? []).some((part) => !words.includes(part));
  return wrong ? [`the verdict should be "${describe(expected)}" and is "${outcome}: ${words}"`] : [];
}

function describe({ outcome, blamed, words = [] }: Expectation): string {
  return [outcome, ...(blamed === undefined ? [] : [`in ${blamed}`]), ...words].join(', ');
}
