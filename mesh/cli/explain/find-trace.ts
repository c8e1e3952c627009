import { type AdminAnswer, askAdmin, CommandFailed, detailOf } from '../admin-endpoint.ts';
import { LIMITS } from '../limits.ts';
import type { Span } from '../trace/span.ts';
import { type FoundTrace, readFoundTrace } from './found-trace.ts';

// Finds the spans of a request: at the control plane, which asks all sidecars, or at sidecars one by one.
// Invariant: a sidecar that does not answer costs its own spans only, and is counted.

/** Throws CommandFailed when nobody answers or nobody knows the request. */
export async function askControlPlane(endpoint: string, id: string): Promise<FoundTrace> {
  let answer: AdminAnswer;
  try {
    answer = await askAdmin(endpoint, pathOf(id));
  } catch (error) {
    const hint =
      'start the control plane, name its admin port with --control, or ask sidecars with --sidecar';
    throw new CommandFailed(`${(error as Error).message}; ${hint}`);
  }
  const found = readAnswer(answer, endpoint, id);
  if (found === null) throw new CommandFailed(unknown(id, answer));
  return found;
}

/** Throws CommandFailed when no sidecar answers or none knows the request. */
export async function askSidecars(endpoints: readonly string[], id: string): Promise<FoundTrace> {
  const answers = await Promise.allSettled(endpoints.map((endpoint) => askAdmin(endpoint, pathOf(id))));
  const found: FoundTrace[] = [];
  const silent: string[] = [];
  let none: AdminAnswer | null = null;
  for (const [index, answer] of answers.entries()) {
    if (answer.status === 'rejected') {
      silent.push((answer.reason as Error).message);
      continue;
    }
    const read = readAnswer(answer.value, endpoints[index] ?? '', id);
    if (read === null) none = answer.value;
    else found.push(read);
  }
  const [first] = found;
  if (first !== undefined) return merge(first, found, { asked: endpoints.length, silent: silent.length });
  const others = silent.map((reason) => `; ${reason}`).join('');
  if (none === null) throw new CommandFailed(silent.join('; '));
  throw new CommandFailed(`${unknown(id, none)}${others}`);
}

function pathOf(id: string): string {
  return `/traces/${encodeURIComponent(id)}`;
}

/** Null when the request is not known there. */
function readAnswer({ status, body }: AdminAnswer, endpoint: string, id: string): FoundTrace | null {
  if (status === 200) return readFoundTrace(body, endpoint);
  if (status === 404 && body.includes('"status"')) return null;
  if (status === 400) throw new CommandFailed(`${JSON.stringify(id)}: ${detailOf(body)}`);
  throw new CommandFailed(
    `${endpoint} answered ${status}: ${detailOf(body)}; is it the admin port of a sidecar or of the control plane?`,
  );
}

function unknown(id: string, { body }: AdminAnswer): string {
  return `nobody knows ${id}: ${detailOf(body)}`;
}

function merge(
  first: FoundTrace,
  found: readonly FoundTrace[],
  { asked, silent }: { asked: number; silent: number },
): FoundTrace {
  const { traceId } = first.trace;
  const spans = new Map<string, Span>();
  let dropped = 0;
  for (const { trace } of found) {
    dropped += trace.dropped;
    for (const [spanId, span] of trace.spans) {
      if (span.traceId !== traceId) continue;
      if (spans.size < LIMITS.spans || spans.has(spanId)) spans.set(spanId, span);
      else dropped++;
    }
  }
  const requestId = found.map((each) => each.requestId).find((each) => each !== null) ?? null;
  return { trace: { traceId, spans, dropped }, requestId, asked, answered: asked - silent };
}
