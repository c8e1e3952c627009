import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { CommandFailed } from '../admin-endpoint.ts';
import { LIMITS } from '../limits.ts';
import { type LogLine, parseLogLine, timeOf } from './log-line.ts';

// Finds the lines of a request in logs, in the order of their times.
// Invariants: lines that carry its trace id alone belong to it as well, also where they stand before the first that tells both; so each
// source is read twice, and stdin kept in between, bounded.

export type FoundLine = { readonly text: string; readonly line: LogLine; readonly atMs: number };

export type FoundLines = {
  readonly lines: readonly FoundLine[];
  /** Beyond the bound. */
  readonly dropped: number;
  readonly read: number;
};

/** What can be read again and again. */
export type Source = () => AsyncIterable<string>;

const TRACE_ID = /^[0-9a-f]{32}$/;

/** `id` is that of a request, or of a trace. */
export async function findLines(id: string, sources: readonly Source[]): Promise<FoundLines> {
  const traceIds = new Set(TRACE_ID.test(id) ? [id] : []);
  let read = 0;
  for (const source of sources) {
    for await (const { line } of linesWith([id], source, () => read++)) {
      if (line.request_id === id && typeof line.trace_id === 'string') traceIds.add(line.trace_id);
    }
  }
  const lines: FoundLine[] = [];
  let dropped = 0;
  for (const source of sources) {
    // A line without a time stands behind the one before it.
    let atMs = Number.NEGATIVE_INFINITY;
    for await (const { text, line } of linesWith([id, ...traceIds], source)) {
      if (line.request_id !== id && !traceIds.has(String(line.trace_id))) continue;
      atMs = timeOf(line) ?? atMs;
      if (lines.length < LIMITS.logLines) lines.push({ text, line, atMs });
      else dropped++;
    }
  }
  // The sort is stable: what happened in one millisecond stays in the order of its log.
  return { lines: lines.sort((a, b) => (a.atMs === b.atMs ? 0 : a.atMs - b.atMs)), dropped, read };
}

export function fileSource(path: string): Source {
  return async function* () {
    try {
      const file = await open(path);
      yield* file.readLines();
    } catch (error) {
      throw new CommandFailed(
        `${path}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`,
      );
    }
  };
}

/** Kept, since it can be read once only. */
export async function streamSource(input: NodeJS.ReadableStream): Promise<Source> {
  const lines: string[] = [];
  let chars = 0;
  for await (const line of createInterface({ input })) {
    lines.push(line);
    chars += line.length;
    if (chars > LIMITS.stdinChars) {
      throw new CommandFailed(
        `stdin has more than ${LIMITS.stdinChars} characters: write it to a file, and name that`,
      );
    }
  }
  return async function* () {
    yield* lines;
  };
}

/** To parse every line of a log would take much longer than to look whether it has one of the ids. */
async function* linesWith(
  ids: readonly string[],
  source: Source,
  onRead: () => void = () => {},
): AsyncIterable<{ text: string; line: LogLine }> {
  const escaped = ids.map((id) => JSON.stringify(id).slice(1, -1));
  for await (const text of source()) {
    onRead();
    if (!escaped.some((id) => text.includes(id))) continue;
    const line = parseLogLine(text);
    if (line !== null) yield { text, line };
  }
}
