import type { Paint, Tone } from './paint.ts';

// Text in columns: cut and padded first, painted after, so that colours never shift a column. Everything shown is one cell wide.

export type Cell = { text: string; tone?: Tone; width: number; align?: 'left' | 'right' };

export function layCells(cells: readonly Cell[], paint: Paint): string {
  const laid = cells.map(({ text, tone = 'plain', width, align = 'left' }) => {
    const cut = shorten(text, width);
    const padding = ' '.repeat(width - cut.length);
    const painted = paint(tone, cut);
    return align === 'left' ? painted + padding : padding + painted;
  });
  return laid.join(' ').trimEnd();
}

/** Cuts out of the middle: the end of a path says more than its middle. */
export function shorten(value: string, width: number): string {
  if (value.length <= width) return value;
  const tail = Math.floor((width - 1) / 2);
  return `${value.slice(0, width - 1 - tail)}…${value.slice(value.length - tail)}`;
}

/** Breaks a sentence between words; a word longer than a line stays whole, so that ids can be copied. */
export function wrapWords(value: string, width: number): string[] {
  return wrapItems(value.split(' '), ' ', width);
}

export function wrapItems(items: readonly string[], separator: string, width: number): string[] {
  const lines: string[] = [];
  for (const item of items) {
    const last = lines.at(-1);
    const joined = last === undefined ? item : last + separator + item;
    if (last !== undefined && joined.length <= width) lines[lines.length - 1] = joined;
    else lines.push(item);
  }
  return lines;
}

/** Three digits that matter and a unit: `0.04 ms`, `12.3 ms`, `1.52 s`. */
export function formatMs(ms: number): string {
  if (ms < 9.995) return `${ms.toFixed(2)} ms`;
  if (ms < 99.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  return ms < 9_995 ? `${(ms / 1000).toFixed(2)} s` : `${(ms / 1000).toFixed(1)} s`;
}

type Stroke = { left: string; full: string; right: string };
const STROKES: Record<'service' | 'sidecar' | 'wait', Stroke> = {
  service: { left: '▐', full: '█', right: '▌' },
  sidecar: { left: '╺', full: '━', right: '╸' },
  wait: { left: '┄', full: '┄', right: '┄' },
};

/** A bar from `from` to `to` (0 to 1) with half a cell of resolution; the shortest is half a cell. */
export function drawBar(kind: keyof typeof STROKES, from: number, to: number, width: number): string {
  const halves = width * 2;
  const start = Math.min(halves - 1, Math.max(0, Math.round(from * halves)));
  const end = Math.min(halves, Math.max(start + 1, Math.round(to * halves)));
  const { left, full, right } = STROKES[kind];
  let bar = ' '.repeat(Math.floor(start / 2));
  for (let cell = Math.floor(start / 2); cell * 2 < end; cell++) {
    const fromLeft = cell * 2 >= start;
    const toRight = cell * 2 + 1 < end;
    bar += fromLeft && toRight ? full : fromLeft ? right : left;
  }
  return bar;
}
