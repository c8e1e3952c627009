import { drawBar, formatMs, layCells, shorten } from './columns.ts';
import type { Paint, Tone } from './paint.ts';
import {
  direction,
  failed,
  hopName,
  httpStatus,
  operation,
  peerIdentity,
  phases,
  type Span,
  shortIdentity,
  text,
} from './span.ts';
import { queueWait } from './time-budget.ts';
import { attemptGroups, type TraceNode, type TraceTree } from './trace-tree.ts';
import type { Outcome, Verdict } from './verdict.ts';

// The rows of a waterfall: one a span in the order of cause, a second one under a sidecar's for who its peer is and how long each
// phase took, one for each wait in a queue. Of a run of attempts only the last is shown in full.
// Service bars are thick, sidecar bars thin: the difference survives a terminal without colours.

const SERVICE_CELLS = 18;
const HOP_CELLS = 11;
const STATUS_CELLS = 4;
const TOOK_CELLS = 8;
/** One in front and one between each two columns. */
const GAPS = 6 + 1;
/** What is shorter would read 0.00. */
const SHOWN_PHASE_MS = 0.005;
const DETAIL_INDENT = ' '.repeat(SERVICE_CELLS + 3);

type Row = { service: string; hop: string; asked: string; status: string; bar: string; took: string };

export class HopRows {
  readonly #tree: TraceTree;
  readonly #verdict: Verdict;
  readonly #width: number;
  readonly #paint: Paint;
  readonly #askedCells: number;
  readonly #barCells: number;
  // What the row above says; repeating it would hide what changes.
  #service = '';
  #asked = '';

  constructor(tree: TraceTree, verdict: Verdict, drawing: { width: number; paint: Paint }) {
    this.#tree = tree;
    this.#verdict = verdict;
    this.#width = drawing.width;
    this.#paint = drawing.paint;
    const rest = drawing.width - SERVICE_CELLS - HOP_CELLS - STATUS_CELLS - TOOK_CELLS - GAPS;
    this.#askedCells = Math.floor(rest / 2);
    this.#barCells = rest - this.#askedCells;
  }

  lines(): string[] {
    const end = formatMs(this.#tree.endMs - this.#tree.startMs);
    const scale = `0${end.padStart(this.#barCells - 1)}`;
    const head = { service: 'SERVICE', hop: 'HOP', asked: 'ASKED FOR', status: '', bar: scale, took: 'TOOK' };
    return [this.#row(head, 'dim', 'dim'), ...this.#siblings(this.#tree.roots)];
  }

  #siblings(nodes: readonly TraceNode[]): string[] {
    return attemptGroups(nodes).flatMap((group) =>
      group.flatMap((node, index) => {
        const queue = index === 0 ? this.#queue(node) : [];
        const attempt = group.length === 1 ? '' : ` try ${index + 1}/${group.length}`;
        const folded = index < group.length - 1;
        return [...queue, ...(folded ? [this.#span(node, attempt)] : this.#subtree(node, attempt))];
      }),
    );
  }

  #subtree(node: TraceNode, attempt: string): string[] {
    return [
      this.#span(node, attempt),
      ...this.#detail(node.span),
      ...this.#end(node),
      ...this.#siblings(node.children),
    ];
  }

  #span(node: TraceNode, attempt: string): string {
    const { span } = node;
    const bad = failed(span);
    const service = span.service === this.#service ? '' : span.service;
    const asked = operation(span);
    const repeated = asked === this.#asked && attempt === '';
    this.#service = span.service;
    this.#asked = asked;
    const row = {
      service,
      hop: hopName(span),
      asked: repeated ? '"' : shorten(asked, this.#askedCells - attempt.length) + attempt,
      status: `${bad ? '✗' : ''}${httpStatus(span) ?? (bad ? 'err' : '')}`,
      bar: this.#bar(span.component, node.startMs, node.endMs),
      took: formatMs(node.endMs - node.startMs),
    };
    const tone = span.component === 'sidecar' ? 'blue' : 'cyan';
    return this.#row(row, bad ? 'red' : 'plain', bad ? 'red' : tone);
  }

  #queue(node: TraceNode): string[] {
    const wait = queueWait(node);
    if (wait === null) return [];
    this.#service = '';
    const row = {
      service: text(node.span, 'messaging.system') ?? '',
      hop: 'in queue',
      asked: '"',
      status: '',
      bar: this.#bar('wait', wait.startMs, wait.endMs),
      took: formatMs(wait.endMs - wait.startMs),
    };
    return [this.#row(row, 'dim', 'dim')];
  }

  #detail(span: Span): string[] {
    if (span.component !== 'sidecar') return [];
    const spent = phases(span)
      .filter(([, ms]) => ms >= SHOWN_PHASE_MS)
      .map(([name, ms]) => `${name} ${formatMs(ms)}`);
    const cells = this.#width - DETAIL_INDENT.length;
    const whole = `└ ${[peerWords(span), ...spent].join(' · ')}`;
    const lines = whole.length <= cells ? [whole] : [`└ ${peerWords(span)}`, `  ${spent.join(' · ')}`];
    return lines.map((line) => DETAIL_INDENT + this.#paint('dim', shorten(line, cells)));
  }

  #end(node: TraceNode): string[] {
    const { outcome, at } = this.#verdict;
    const words = END_WORDS[outcome];
    return at === node && words !== undefined ? [DETAIL_INDENT + this.#paint('red', `└ ${words}`)] : [];
  }

  #bar(kind: 'service' | 'sidecar' | 'wait', startMs: number, endMs: number): string {
    const lengthMs = this.#tree.endMs - this.#tree.startMs || 1;
    const share = (ms: number) => (ms - this.#tree.startMs) / lengthMs;
    return drawBar(kind, share(startMs), share(endMs), this.#barCells);
  }

  #row(row: Row, tone: Tone, barTone: Tone): string {
    return layCells(
      [
        { text: '', width: 1 },
        { text: row.service, tone: tone === 'dim' ? 'dim' : 'bold', width: SERVICE_CELLS },
        { text: row.hop, tone: tone === 'red' ? 'plain' : tone, width: HOP_CELLS },
        { text: row.asked, tone: tone === 'red' ? 'plain' : tone, width: this.#askedCells },
        { text: row.status, tone, width: STATUS_CELLS, align: 'right' },
        { text: row.bar, tone: barTone, width: this.#barCells },
        { text: row.took, tone: tone === 'red' ? 'plain' : tone, width: TOOK_CELLS, align: 'right' },
      ],
      this.#paint,
    );
  }
}

const END_WORDS: Partial<Record<Outcome, string>> = {
  died: 'it died here',
  refused: 'it was refused here',
  slow: 'it was slow here',
};

function peerWords(span: Span): string {
  const outbound = direction(span) === 'outbound';
  const peer = peerIdentity(span);
  if (peer !== null) return `mTLS ${outbound ? 'to' : 'from'} ${shortIdentity(peer)}`;
  const reached = !outbound || text(span, 'network.peer.address') !== null;
  return reached ? 'plain HTTP, no mTLS' : 'no peer was reached';
}
