import { phases } from './span.ts';
import type { TraceNode } from './trace-tree.ts';

// What was slow, against what is usual: the deepest hop that took longer than 99 of 100 requests of its route, and within it the
// place where most of its time went. A place is a span's own time, without that of its callees; that of a sidecar is told by phase.

/** What a service does itself, and what it waits for that has no span of its own. */
export const CODE = 'code';
export const CALL = 'call';

export type Place = {
  readonly node: TraceNode;
  /** A phase of a sidecar, or CODE or CALL in a service. */
  readonly phase: string;
  readonly ms: number;
};

export type Slowness = {
  readonly place: Place;
  /** The hop whose usual times are known and were exceeded; the place is in it or below. */
  readonly measured: TraceNode;
};

/** `nodes` is the flattened tree. */
export function findSlowness(nodes: readonly TraceNode[]): Slowness | null {
  let measured: TraceNode | null = null;
  for (const node of nodes) {
    if (excessMs(node) <= 0) continue;
    const deeper = measured === null || node.depth > measured.depth;
    const worse = measured?.depth === node.depth && excessMs(node) > excessMs(measured);
    if (deeper || worse) measured = node;
  }
  const place = measured === null ? null : findLongest(measured);
  return measured === null || place === null ? null : { place, measured };
}

/** Where most of the time between a node's start and end went; null when it took none. */
export function findLongest(node: TraceNode): Place | null {
  return placesIn(node, node.startMs, node.endMs).reduce<Place | null>(
    (longest, place) => (place.ms > (longest?.ms ?? 0) ? place : longest),
    null,
  );
}

/** How much longer than usual it took; 0 when that is not known. */
function excessMs({ span, startMs, endMs }: TraceNode): number {
  return span.usual === null ? 0 : endMs - startMs - span.usual.p99Ms;
}

function placesIn(node: TraceNode, fromMs: number, toMs: number): Place[] {
  // Nobody waits for what is taken from a queue.
  const callees = node.children.filter(({ span }) => span.kind !== 'consumer');
  const startMs = Math.max(node.startMs, fromMs);
  const endMs = Math.min(node.endMs, toMs);
  const callsMs = coveredMs(callees, startMs, endMs);
  const own = phasesOf(node, endMs - startMs).map(([phase, ms]) => ({
    node,
    phase,
    ms: ANSWERING.has(phase) ? ms - callsMs : ms,
  }));
  return [...own, ...callees.flatMap((callee) => placesIn(callee, startMs, endMs))];
}

/** Phases in which somebody else is at work, for whom there may be spans. */
const ANSWERING: ReadonlySet<string> = new Set([CODE, CALL, 'upstream', 'server']);

function phasesOf({ span }: TraceNode, ms: number): [string, number][] {
  const told = span.component === 'sidecar' ? phases(span) : [];
  return told.length > 0 ? told : [[waitPhase(span.kind), ms]];
}

export function waitPhase(kind: string): string {
  return kind === 'client' || kind === 'producer' ? CALL : CODE;
}

/** How much of a stretch of time the nodes cover together. */
function coveredMs(nodes: readonly TraceNode[], fromMs: number, toMs: number): number {
  let covered = 0;
  let reached = fromMs;
  // Nodes stand in order of their start.
  for (const { startMs, endMs } of nodes) {
    const begin = Math.max(startMs, reached);
    const end = Math.min(endMs, toMs);
    if (end <= begin) continue;
    covered += end - begin;
    reached = end;
  }
  return covered;
}
