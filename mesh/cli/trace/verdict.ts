import { formatMs } from './columns.ts';
import { findSlowness, type Slowness } from './slowness.ts';
import { aborted, direction, failed, failureCode, httpStatus, operation, type Span, text } from './span.ts';
import { attemptGroups, flatten, type TraceNode, type TraceTree } from './trace-tree.ts';

// Says in words how a request ended and, when it died, where.
// The place of death is the deepest span that failed and was not made good, by a later attempt or by a caller that did without: callers
// only repeat what they were told. Below a failed call the answering side may think that all is well (a 404 is no error of a server), so the search goes on
// down as long as somebody answered 400 or more, and below a call that was given up, to what it still waited for.

export type Outcome = 'ok' | 'slow' | 'recovered' | 'refused' | 'died';

export type Verdict = {
  readonly outcome: Outcome;
  /** The hop that is to blame; null when all went well, and as fast as usual. */
  readonly at: TraceNode | null;
  readonly words: string;
};

export function judge(tree: TraceTree): Verdict {
  const nodes = flatten(tree.roots);
  const broken = nodes.filter(
    (node) =>
      failed(node.span) &&
      !node.children.some((child) => failed(child.span)) &&
      !(blamesRequest(culprit(node).span) && copedWith(node)),
  );
  const fatal = broken
    .filter((node) => !madeGood(node) && !copedWith(node))
    .sort((a, b) => a.endMs - b.endMs);
  const last = fatal.at(-1);
  const refusing = tree.roots.find((node) => (httpStatus(node.span) ?? 0) >= 400);
  if (last !== undefined) {
    if (isRefusal(last)) return refusal(last);
    const at = culprit(last);
    // Each hop told the one before that the request is at fault, up to whoever sent it.
    const toldCaller = refusing?.span.kind === 'server' && blamesRequest(refusing.span);
    return toldCaller && blamesRequest(at.span) && !failed(at.span) ? refusal(at) : death(at, nodes);
  }
  if (refusing !== undefined) return refusal(culprit(refusing));
  const first = broken[0];
  if (first !== undefined) return recovery(culprit(first), broken.length);
  const slowness = findSlowness(nodes);
  return slowness === null ? smooth(nodes) : delay(slowness);
}

function death(node: TraceNode, nodes: readonly TraceNode[]): Verdict {
  const words = [`died in ${node.span.service}: ${accusation(node)}`];
  const attempts = attemptsOf(node);
  if (attempts > 1) words.push(`${attempts} attempts`);
  if (deadLettered(nodes)) words.push('dead-lettered');
  return { outcome: 'died', at: node, words: words.join('; ') };
}

/** A sidecar that answers a request itself, with a status that blames the request. */
function isRefusal({ span, children }: TraceNode): boolean {
  const refuses = failureCode(span) !== null && blamesRequest(span);
  return span.component === 'sidecar' && refuses && children.length === 0;
}

function blamesRequest(span: Span): boolean {
  const status = httpStatus(span) ?? 0;
  return status >= 400 && status < 500;
}

function refusal(node: TraceNode): Verdict {
  return { outcome: 'refused', at: node, words: `refused by ${node.span.service}: ${accusation(node)}` };
}

function recovery(node: TraceNode, failures: number): Verdict {
  const times = failures === 1 ? 'one failure' : `${failures} failures`;
  const words = `succeeded after ${times} in ${node.span.service}: ${accusation(node)}`;
  return { outcome: 'recovered', at: node, words };
}

function delay({ place: { node, phase, ms } }: Slowness): Verdict {
  const whose = node.span.component === 'sidecar' ? `${phase} phase of its sidecar` : `its ${phase}`;
  return {
    outcome: 'slow',
    at: node,
    words: `slow in ${node.span.service}: ${operation(node.span)} spent ${formatMs(ms)} in ${whose}`,
  };
}

function smooth(nodes: readonly TraceNode[]): Verdict {
  const services = new Set(nodes.map((node) => node.span.service));
  return {
    outcome: 'ok',
    at: null,
    words: `every hop succeeded, through ${count(services.size, 'service')}`,
  };
}

/** `POST /hooks/fail answered 500 (why)`, or what the sidecar ran into when nobody answered, or what a step says of itself. */
function accusation(node: TraceNode): string {
  const { span } = node;
  const status = httpStatus(span);
  const code = failureCode(span);
  const told = [code, span.errorMessage].filter((part) => part !== null && part !== '').join(': ');
  const type = text(span, 'error.type');
  // The error type of an answer is its status once more.
  const why = told !== '' || type === String(status) ? told : (type ?? '');
  const reason = why === '' ? '' : ` (${why})`;
  if (isRefusal(node)) return `its sidecar answered ${operation(span)} with ${status}${reason}`;
  if (span.component === 'sidecar' && code !== null) {
    const whose = direction(span) === 'outbound' ? 'its sidecar, on the way out,' : 'its sidecar';
    return `${whose} could not pass on ${operation(span)}${reason}`;
  }
  if (status !== null) return `${operation(span)} answered ${status}${reason}`;
  return told.startsWith(`${span.name}: `) ? told : `${operation(span)} failed${reason}`;
}

function culprit(node: TraceNode): TraceNode {
  const deeper =
    node.children.findLast((child) => failed(child.span) || (httpStatus(child.span) ?? 0) >= 400) ??
    (aborted(node.span) ? node.children.findLast((child) => outlasted(child, node)) : undefined);
  return deeper === undefined ? node : culprit(deeper);
}

/** What began when its caller was gone already, as its place in the tree shows, is not what the caller waited for. */
function outlasted(child: TraceNode, node: TraceNode): boolean {
  return child.endMs >= node.endMs && child.shiftMs >= node.shiftMs;
}

/** Who lost patience with what is to blame, somewhere above it; null when it was somebody outside of the mesh, or nobody. */
export function findGiverUp({ span, parent }: TraceNode): TraceNode | null {
  if (!aborted(span)) return null;
  for (let at = parent; at !== null; at = at.parent) if (failed(at.span) && !aborted(at.span)) return at;
  return null;
}

function madeGood(node: TraceNode): boolean {
  for (let at: TraceNode | null = node; at !== null; at = at.parent) {
    const last = groupOf(at).at(-1);
    if (last !== undefined && last !== at && !failed(last.span)) return true;
  }
  return false;
}

/** Somebody who waited for it answered with success all the same. */
function copedWith(node: TraceNode): boolean {
  for (let at = node; at.parent !== null && at.span.kind !== 'consumer'; at = at.parent) {
    const { span } = at.parent;
    const status = httpStatus(span) ?? 0;
    if (!failed(span) && (span.kind === 'consumer' || (status >= 200 && status < 400))) return true;
  }
  return false;
}

/** The longest run of attempts on the way down: it is the caller that tries again, not the one that died. */
export function attemptsOf(node: TraceNode): number {
  let most = 1;
  for (let at: TraceNode | null = node; at !== null; at = at.parent)
    most = Math.max(most, groupOf(at).length);
  return most;
}

function groupOf(node: TraceNode): TraceNode[] {
  const siblings = node.parent?.children ?? [node];
  return attemptGroups(siblings).find((group) => group.includes(node)) ?? [node];
}

function deadLettered(nodes: readonly TraceNode[]): boolean {
  return nodes.some((node) => node.span.events.some((event) => event.name === 'gave up'));
}

function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`;
}
