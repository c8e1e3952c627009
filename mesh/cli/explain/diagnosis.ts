import { FAILURES, type FailureKind } from '../../../sidecar/src/core/failure.ts';
import { findLongest, findSlowness, type Place, waitPhase } from '../trace/slowness.ts';
import {
  describeHop,
  direction,
  failureCode,
  httpStatus,
  operation,
  phases,
  type Span,
  text,
  type Usual,
} from '../trace/span.ts';
import type { Trace } from '../trace/trace.ts';
import { outstanding } from '../trace/trace-progress.ts';
import { buildTree, flatten, type TraceNode } from '../trace/trace-tree.ts';
import { attemptsOf, findGiverUp, judge, type Outcome } from '../trace/verdict.ts';
import { type Advice, adviceFor } from './advice.ts';
import { findPolicies, type PolicyAct } from './policies.ts';

// What there is to say about a request, as data: words.ts says it to people, `--json` to machines.
// Invariants: a pure function of the trace; every set of spans has a diagnosis. Where a hop is named, it is the one that is to blame.

export type Diagnosis = Advice & {
  readonly traceId: string;
  readonly requestId: string | null;
  /** As its first hop saw it; `status` is null when nobody was answered. */
  readonly request: {
    readonly operation: string;
    readonly status: number | null;
    readonly durationMs: number;
  };
  readonly outcome: Outcome;
  /** Of what is to blame, such as `gateway sidecar out`; this and all up to `attempts` are null when all is well. */
  readonly hop: string | null;
  readonly spanId: string | null;
  readonly service: string | null;
  readonly component: Span['component'] | null;
  /** What it did, and whom it asked for that. */
  readonly operation: string | null;
  readonly target: string | null;
  /** Of the route that the sidecar took. */
  readonly rule: string | null;
  /** A phase of a sidecar; in a service `code`, or `call` while it waited for somebody. */
  readonly phase: string | null;
  /** Of the mesh's list of failures; else what the service calls it (of its problem body, or its error type), or the status it answered. */
  readonly failureCode: string | null;
  readonly failureDetail: string | null;
  /** The hop that did not wait any longer: then code and detail are what it says, and the hop above is what it waited for. */
  readonly givenUpBy: string | null;
  readonly status: number | null;
  readonly durationMs: number | null;
  readonly attempts: number | null;
  /** Of the route of the hop, or of the nearest one above whose usual times are known. */
  readonly usual: (Usual & { readonly hop: string; readonly tookMs: number }) | null;
  /** Where most of the time of the whole request went. */
  readonly longest: { readonly hop: string; readonly phase: string; readonly ms: number } | null;
  readonly policies: readonly PolicyAct[];
  /** What is still to come, as far as the trace tells: then all of the above may change. */
  readonly outstanding: readonly string[];
  /** What the code stands for, in a sentence; null when it is none of the mesh's. */
  readonly meaning: string | null;
};

export function diagnose(trace: Trace, requestId: string | null): Diagnosis {
  const tree = buildTree(trace);
  const nodes = flatten(tree.roots);
  const { outcome, at } = judge(tree);
  const [root] = tree.roots;
  const slow = outcome === 'slow' ? findSlowness(nodes) : null;
  const id = requestId ?? firstRequestId(nodes);
  return {
    traceId: trace.traceId,
    requestId: id,
    request: {
      operation: root === undefined ? '' : operation(root.span),
      status: root === undefined ? null : httpStatus(root.span),
      durationMs: root === undefined ? 0 : root.endMs - root.startMs,
    },
    outcome,
    ...(at === null ? NOBODY : blame(at, slow?.place ?? null, id ?? trace.traceId)),
    usual: usualOf(slow?.measured ?? at ?? root ?? null),
    longest: root === undefined ? null : describePlace(findLongest(root)),
    policies: findPolicies(nodes),
    outstanding: outstanding(tree),
  };
}

const NOBODY = {
  hop: null,
  spanId: null,
  service: null,
  component: null,
  operation: null,
  target: null,
  rule: null,
  phase: null,
  failureCode: null,
  failureDetail: null,
  givenUpBy: null,
  status: null,
  durationMs: null,
  attempts: null,
  meaning: null,
  causes: [],
  next: [],
  reference: null,
};

function blame(node: TraceNode, place: Place | null, id: string) {
  const { span } = node;
  const giverUp = findGiverUp(node);
  const ending = giverUp ?? node;
  const code = place === null ? codeOf(ending.span) : null;
  const phase = place === null ? phaseOfDeath(span) : place.phase;
  const kind = kindOf(code);
  const facts = {
    hop: describeHop(span),
    spanId: span.spanId,
    service: span.service,
    component: span.component,
    operation: operation(span),
    target: targetOf(span),
    rule: text(span, 'tulle.rule'),
    phase,
    failureCode: code,
    failureDetail: place === null ? detailOf(ending.span) : null,
    givenUpBy: giverUp === null ? null : describeHop(giverUp.span),
    status: httpStatus(span),
    durationMs: ending.endMs - ending.startMs,
    attempts: Math.max(attemptsOf(node), Number(span.attributes.get('tulle.attempts')) || 1),
    meaning: kind?.reason ?? null,
  };
  return { ...facts, ...adviceFor({ kind, code, id, ...facts }) };
}

/** Of the mesh's list first: it is told apart from what a service calls its errors. */
function codeOf(span: Span): string | null {
  const status = httpStatus(span) ?? 0;
  return (
    failureCode(span) ??
    text(span, 'tulle.problem.code') ??
    text(span, 'db.response.status_code') ??
    text(span, 'error.type') ??
    (status >= 400 ? String(status) : null)
  );
}

/** Not of a status, which is everybody's. */
function kindOf(code: string | null): FailureKind | null {
  return FAILURES.find(({ name }) => name === code) ?? null;
}

function detailOf(span: Span): string | null {
  const told = text(span, 'tulle.failure.detail') ?? text(span, 'tulle.problem.detail');
  return told ?? (span.errorMessage === '' ? null : span.errorMessage);
}

/**
 * A sidecar that ran into something itself did so in the last phase that it reached. What it was answered with it got while it waited
 * for the answer.
 */
function phaseOfDeath(span: Span): string {
  const measured = phases(span).map(([name]) => name);
  const answered = measured.find((name) => name === 'upstream' || name === 'server');
  const last = measured.at(-1);
  if (span.component === 'service' || last === undefined) return waitPhase(span.kind);
  return failureCode(span) === null ? (answered ?? last) : last;
}

/** Who was asked; null for who asks nobody. */
function targetOf(span: Span): string | null {
  if (direction(span) !== 'outbound') return null;
  const queue = text(span, 'messaging.destination.name');
  if (queue !== null)
    return [text(span, 'messaging.system'), queue].filter((part) => part !== null).join(' ');
  return text(span, 'server.address') ?? text(span, 'tulle.route') ?? text(span, 'db.system.name');
}

function usualOf(node: TraceNode | null): Diagnosis['usual'] {
  for (let at = node; at !== null; at = at.parent) {
    const { span, startMs, endMs } = at;
    if (span.usual !== null) return { ...span.usual, hop: describeHop(span), tookMs: endMs - startMs };
  }
  return null;
}

function describePlace(place: Place | null): Diagnosis['longest'] {
  return place === null ? null : { hop: describeHop(place.node.span), phase: place.phase, ms: place.ms };
}

function firstRequestId(nodes: readonly TraceNode[]): string | null {
  return nodes.map(({ span }) => text(span, 'tulle.request_id')).find((id) => id !== null) ?? null;
}
