import { text } from './span.ts';
import { flatten, type TraceNode, type TraceTree } from './trace-tree.ts';

// Tells from a trace alone what is still to come: a call that is still running has not sent its span yet but its callees have, a job
// was sent and not taken, an attempt failed and the next one is due. Nobody knows more than that from outside; a trace with nothing
// outstanding is complete once it has been quiet for a moment.

export function outstanding(tree: TraceTree): string[] {
  const callers = findOrphans(tree).map(
    ({ span }) => `what called ${span.service} (${span.name}) has not sent its span yet`,
  );
  return [...callers, ...flatten(tree.roots).flatMap(waitingJobs)];
}

/** Spans that name a parent which is not here, but for the first: a client may have a trace of its own outside the mesh. */
export function findOrphans({ roots }: TraceTree): TraceNode[] {
  const [first] = roots;
  return roots.filter((node) => node.orphan && !(node === first && node.span.kind === 'server'));
}

function waitingJobs(node: TraceNode): string[] {
  if (node.span.kind !== 'producer' || node.span.error) return [];
  const queue = text(node.span, 'messaging.destination.name') ?? node.span.name;
  const attempts = node.children.filter((child) => child.span.kind === 'consumer');
  const last = attempts.at(-1);
  if (last === undefined) return [`nobody has taken the job out of ${queue} yet`];
  const retry = last.span.events.some((event) => event.name === 'retry scheduled');
  return retry ? [`another attempt at the job of ${queue} is due`] : [];
}
