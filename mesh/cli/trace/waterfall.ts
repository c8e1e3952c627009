import { formatMs, layCells, wrapItems, wrapWords } from './columns.ts';
import { HopRows } from './hop-rows.ts';
import type { Paint, Tone } from './paint.ts';
import { httpStatus, operation, text } from './span.ts';
import { accountTime } from './time-budget.ts';
import type { Trace } from './trace.ts';
import { findOrphans } from './trace-progress.ts';
import { buildTree, CLOCK_GRAIN_MS, flatten, type TraceTree } from './trace-tree.ts';
import { judge, type Outcome, type Verdict } from './verdict.ts';

// Draws one trace for a terminal: what was asked, how it ended and where, where the time went, then a row a hop.
// A pure function of the trace: no clock, no terminal. Rows are never wider than `width`; ids and sentences are never cut.

export type Drawing = { readonly width: number; readonly paint: Paint };

export function drawWaterfall(trace: Trace, drawing: Drawing): string[] {
  const tree = buildTree(trace);
  const verdict = judge(tree);
  return [
    ...headline(trace, tree, verdict, drawing),
    '',
    ...new HopRows(tree, verdict, drawing).lines(),
    ...notes(trace, tree, drawing),
  ];
}

/** More than one would mean that somebody on the way made a new id. */
function requestIds(tree: TraceTree): string[] {
  return [...new Set(flatten(tree.roots).flatMap((node) => text(node.span, 'tulle.request_id') ?? []))];
}

const MARKS: Record<Outcome, { mark: string; tone: Tone }> = {
  ok: { mark: '✓', tone: 'green' },
  slow: { mark: '✓', tone: 'yellow' },
  recovered: { mark: '✓', tone: 'yellow' },
  refused: { mark: '✗', tone: 'yellow' },
  died: { mark: '✗', tone: 'red' },
};

const LABEL_CELLS = 11;

function headline(trace: Trace, tree: TraceTree, verdict: Verdict, { width, paint }: Drawing): string[] {
  const { mark, tone } = MARKS[verdict.outcome];
  const root = tree.roots[0]?.span;
  const status = root === undefined ? null : httpStatus(root);
  const took = root === undefined ? '' : formatMs(root.endMs - root.startMs);
  const answer = [
    status === null ? '' : `answered ${status} in ${took}`,
    `all done in ${formatMs(tree.endMs - tree.startMs)}`,
  ]
    .filter((part) => part !== '')
    .join(', ');
  const label = (name: string, items: readonly string[]) =>
    wrapItems(items, ' · ', width - LABEL_CELLS).map(
      (line, index) => paint('dim', (index === 0 ? `  ${name}` : '').padEnd(LABEL_CELLS)) + line,
    );
  const ids = requestIds(tree);
  const accounts = [...accountTime(tree)].map(([account, ms]) => `${account} ${formatMs(ms)}`);
  return [
    layCells(
      [
        { text: mark, tone, width: 1 },
        { text: root === undefined ? '' : operation(root), tone: 'bold', width: width - answer.length - 3 },
        { text: answer, tone: 'dim', width: answer.length },
      ],
      paint,
    ),
    ...wrapWords(verdict.words, width - 2).map((line) => `  ${paint(tone, line)}`),
    ...label('request', ids.length === 0 ? ['no span told its id'] : ids),
    ...label('trace', [trace.traceId]),
    ...label('time', accounts.length === 0 ? ['none'] : accounts),
  ];
}

function notes(trace: Trace, tree: TraceTree, { paint }: Drawing): string[] {
  const nodes = flatten(tree.roots);
  const found: string[] = [];
  const orphans = findOrphans(tree).length;
  if (orphans > 0) found.push(`${orphans} of ${nodes.length} spans name a parent that never came`);
  const shifted = nodes.reduce((most, node) => Math.max(most, Math.abs(node.shiftMs)), 0);
  if (shifted > 2 * CLOCK_GRAIN_MS)
    found.push(`clocks differ by up to ${formatMs(shifted)}; spans were moved to fit their parents`);
  if (trace.dropped > 0) found.push(`${trace.dropped} more spans were left out: the trace is at its limit`);
  return found.map((note) => `  ${paint('yellow', `note: ${note}`)}`);
}
