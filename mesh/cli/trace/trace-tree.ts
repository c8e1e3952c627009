import type { Span } from './span.ts';
import type { Trace } from './trace.ts';

// A trace as a tree on one clock.
// Invariants: every span is in the tree exactly once, also when its parent never came or parents form a circle (anyone may send us
// spans); children stand in order of their start; a child in another process never starts before its parent: clocks of processes
// differ, causes do not. What is moved takes everything below it along.

export type TraceNode = {
  readonly span: Span;
  readonly parent: TraceNode | null;
  readonly depth: number;
  /** On the clock of the root. */
  readonly startMs: number;
  readonly endMs: number;
  /** How far the span was moved from where its own clock put it. */
  readonly shiftMs: number;
  /** It names a parent that is not here. */
  readonly orphan: boolean;
  readonly children: TraceNode[];
};

/** SDKs that take a start from the wall clock know it to the millisecond only. */
export const CLOCK_GRAIN_MS = 1;

/** Far more than calls are nested; whoever sends a chain without end must not exhaust the stack. */
const MAX_DEPTH = 256;

export type TraceTree = { roots: TraceNode[]; startMs: number; endMs: number };

export function buildTree(trace: Trace): TraceTree {
  const childrenOf = Map.groupBy(trace.spans.values(), (span) => span.parentId);
  const seen = new Set<string>();
  const grow = (span: Span, parent: TraceNode | null): TraceNode => {
    seen.add(span.spanId);
    const node = place(span, parent);
    for (const child of childrenOf.get(span.spanId) ?? []) {
      if (!seen.has(child.spanId) && node.depth < MAX_DEPTH) node.children.push(grow(child, node));
    }
    node.children.sort(byStart);
    return node;
  };

  const roots: TraceNode[] = [];
  for (const span of trace.spans.values()) {
    if (span.parentId === null || !trace.spans.has(span.parentId)) roots.push(grow(span, null));
  }
  // What is left hangs in a circle, or too deep: cut it anywhere.
  for (const span of trace.spans.values()) {
    if (!seen.has(span.spanId)) roots.push(grow(span, null));
  }
  roots.sort(byStart);

  const all = flatten(roots);
  return {
    roots,
    startMs: all.reduce((least, node) => Math.min(least, node.startMs), Number.POSITIVE_INFINITY),
    endMs: all.reduce((most, node) => Math.max(most, node.endMs), Number.NEGATIVE_INFINITY),
  };
}

/** Parents before children, earlier siblings first. */
export function flatten(nodes: readonly TraceNode[]): TraceNode[] {
  return nodes.flatMap((node) => [node, ...flatten(node.children)]);
}

/** The same thing done again: attempts of a retry stand side by side under one parent. */
function sameCall(a: TraceNode, b: TraceNode): boolean {
  return (
    a.span.service === b.span.service &&
    a.span.component === b.span.component &&
    a.span.kind === b.span.kind &&
    a.span.name === b.span.name &&
    a.span.attributes.get('url.path') === b.span.attributes.get('url.path') &&
    a.span.attributes.get('url.full') === b.span.attributes.get('url.full')
  );
}

/** Siblings in runs of the same call, in order: `[[a], [b, b, b], [c]]`. */
export function attemptGroups(siblings: readonly TraceNode[]): TraceNode[][] {
  const groups: TraceNode[][] = [];
  for (const node of siblings) {
    const last = groups.at(-1);
    const mate = last?.at(-1);
    // Only one after the other is a retry; side by side is a fan-out.
    const after = mate !== undefined && mate.endMs <= node.startMs + CLOCK_GRAIN_MS;
    if (last !== undefined && after && sameCall(mate, node)) last.push(node);
    else groups.push([node]);
  }
  return groups;
}

function place(span: Span, parent: TraceNode | null): TraceNode {
  const shiftMs = parent === null ? 0 : parent.shiftMs + skew(span, parent);
  return {
    span,
    parent,
    depth: parent === null ? 0 : parent.depth + 1,
    startMs: span.startMs + shiftMs,
    endMs: span.endMs + shiftMs,
    shiftMs,
    orphan: parent === null && span.parentId !== null,
    children: [],
  };
}

function skew(span: Span, parent: TraceNode): number {
  if (sameProcess(span, parent.span)) return 0;
  const startMs = span.startMs + parent.shiftMs;
  const endMs = span.endMs + parent.shiftMs;
  if (startMs < parent.startMs) return parent.startMs - startMs;
  // It may well end later: a server's span lasts until its connection is done, a job until whenever. But a callee that begins when
  // its caller has ended, and would have fitted in before, was timed by another clock.
  const fits = endMs - startMs <= parent.endMs - parent.startMs;
  const late = span.kind !== 'consumer' && startMs > parent.endMs;
  return fits && late ? parent.endMs - endMs : 0;
}

function sameProcess(a: Span, b: Span): boolean {
  return a.service === b.service && a.component === b.component && a.instance === b.instance;
}

/** What began in the same tick of a clock stays in the order in which it was sent, which is the order of ending. */
function byStart(a: TraceNode, b: TraceNode): number {
  return a.startMs - b.startMs;
}
