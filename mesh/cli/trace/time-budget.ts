import { attemptGroups, flatten, type TraceNode, type TraceTree } from './trace-tree.ts';

// Where the time went: every instant of a trace belongs to exactly one account, the one of the deepest thing that was going on then.
// The accounts of a trace add up to its length.

export type Account = 'services' | 'sidecars + network' | 'queue' | 'retry waits' | 'nothing seen';
export type TimeBudget = Map<Account, number>;

/** A pause that has a name, seen between spans. */
type Wait = {
  account: 'queue' | 'retry waits';
  startMs: number;
  endMs: number;
  depth: number;
};

export function accountTime(tree: TraceTree): TimeBudget {
  const spans = flatten(tree.roots).map((node) => ({
    startMs: node.startMs,
    endMs: node.endMs,
    depth: node.depth,
    account: accountOf(node),
  }));
  const claims = [...spans, ...waits(tree.roots)];
  const edges = [...new Set(claims.flatMap((claim) => [claim.startMs, claim.endMs]))].sort((a, b) => a - b);

  const budget: TimeBudget = new Map();
  for (let i = 1; i < edges.length; i++) {
    const from = edges[i - 1] ?? 0;
    const to = edges[i] ?? 0;
    const deepest = claims
      .filter((claim) => claim.startMs <= from && claim.endMs >= to)
      .reduce<(typeof claims)[number] | null>(
        (best, claim) => (best === null || claim.depth >= best.depth ? claim : best),
        null,
      );
    const account = deepest?.account ?? 'nothing seen';
    budget.set(account, (budget.get(account) ?? 0) + to - from);
  }
  return new Map([...budget].sort((a, b) => b[1] - a[1]));
}

/** The time a job lay in its queue before its first attempt, for the span of that attempt. */
export function queueWait(node: TraceNode): Wait | null {
  const sender = node.parent;
  if (node.span.kind !== 'consumer' || sender === null) return null;
  // A worker may have the job before its sender has the acknowledgement: no wait then.
  const startMs = Math.min(sender.endMs, node.startMs);
  return { account: 'queue', startMs, endMs: node.startMs, depth: node.depth - 0.5 };
}

function waits(siblings: readonly TraceNode[]): Wait[] {
  const found: Wait[] = [];
  for (const group of attemptGroups(siblings)) {
    for (const [index, node] of group.entries()) {
      const before = group[index - 1];
      const wait = before === undefined ? queueWait(node) : retryWait(before, node);
      if (wait !== null) found.push(wait);
    }
  }
  return [...found, ...siblings.flatMap((node) => waits(node.children))];
}

function retryWait(before: TraceNode, next: TraceNode): Wait {
  const span = { startMs: before.endMs, endMs: next.startMs };
  return { account: 'retry waits', ...span, depth: next.depth - 0.5 };
}

/** From a sidecar's sending to the next sidecar's receiving is network, and stands inside the sender's span. */
function accountOf(node: TraceNode): Account {
  return node.span.component === 'sidecar' ? 'sidecars + network' : 'services';
}
