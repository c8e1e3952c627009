import { z } from 'zod';
import { CommandFailed, printable } from '../admin-endpoint.ts';
import { LIMITS } from '../limits.ts';
import type { Attributes, Span } from '../trace/span.ts';
import type { Trace } from '../trace/trace.ts';

// What admin endpoints answer to GET /traces/<id>, read once and strictly.

export type FoundTrace = {
  readonly trace: Trace;
  readonly requestId: string | null;
  /** Sidecars. */
  readonly asked: number;
  readonly answered: number;
};

/** JSON has no number for what is none; such an attribute says nothing. */
const attributes = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).nullable());

const foundSpan = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentId: z.string().nullable(),
  name: z.string(),
  kind: z.enum(['internal', 'server', 'client', 'producer', 'consumer']),
  service: z.string(),
  instance: z.string(),
  component: z.enum(['sidecar', 'service']),
  startMs: z.number(),
  endMs: z.number(),
  attributes,
  events: z.array(z.object({ name: z.string(), atMs: z.number(), attributes })),
  error: z.boolean(),
  errorMessage: z.string(),
  usual: z.object({ p50Ms: z.number(), p99Ms: z.number() }).nullable(),
});

const answer = z.object({
  traceId: z.string(),
  requestId: z.string().nullable(),
  asked: z.int().nonnegative(),
  answered: z.int().nonnegative(),
  spans: z.array(foundSpan),
});

/** `from` is named where the answer is none. */
export function readFoundTrace(body: string, from: string): FoundTrace {
  const { data, error } = answer.safeParse(parseJson(body));
  if (data === undefined) {
    const [issue] = error.issues;
    const where = issue === undefined ? '' : ` (${issue.path.join('.')}: ${issue.message})`;
    throw new CommandFailed(
      `${from} answered with something else than a trace${where}; is it of another version?`,
    );
  }
  const spans = data.spans.slice(0, LIMITS.spans).map(toSpan);
  return {
    trace: {
      traceId: data.traceId,
      spans: new Map(spans.map((span) => [span.spanId, span])),
      dropped: data.spans.length - spans.length,
    },
    requestId: data.requestId === null ? null : printable(data.requestId),
    asked: data.asked,
    answered: data.answered,
  };
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

function toSpan(found: z.infer<typeof foundSpan>): Span {
  return {
    ...found,
    name: printable(found.name),
    service: printable(found.service),
    instance: printable(found.instance),
    endMs: Math.max(found.startMs, found.endMs),
    attributes: toAttributes(found.attributes),
    events: found.events.map((event) => ({
      name: printable(event.name),
      atMs: event.atMs,
      attributes: toAttributes(event.attributes),
    })),
    errorMessage: printable(found.errorMessage),
  };
}

function toAttributes(found: z.infer<typeof attributes>): Attributes {
  const read = new Map<string, string | number | boolean>();
  for (const [key, value] of Object.entries(found)) {
    if (value !== null) read.set(printable(key), typeof value === 'string' ? printable(value) : value);
  }
  return read;
}
