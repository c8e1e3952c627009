/**
 * Panels over time: lines, areas, cells of a heat map, and the axes they share. All are SVG.
 */
import { escapeHtml, formatTime, formatValue } from './format.ts';
import type { PanelData, Series, Span } from './panel-data.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

const COLOURS = [
  ...[
    '#73bf69',
    '#f2cc0c',
    '#8ab8ff',
    '#ff780a',
    '#f2495c',
    '#5794f2',
    '#b877d9',
    '#705da0',
    '#37872d',
    '#fade2a',
  ],
  ...['#447ebc', '#c15c17', '#890f02', '#0a437c', '#6d1f62'],
];
const LEFT = 58;
const BOTTOM = 18;
const TOP = 6;
const RIGHT = 8;
const LEGEND_LINE = 17;
/** Of a panel's lines, that its legend has room for. */
const LEGEND_SHARE = 0.42;

interface Area {
  readonly x: (seconds: number) => number;
  readonly y: (value: number) => number;
  readonly size: Size;
}

export function drawTimeSeries({ panel, series, exemplars }: PanelData, size: Size, span: Span): string {
  const { unit = 'short', min, max, custom } = panel.fieldConfig?.defaults ?? {};
  const stacked = (custom as { stacking?: { mode?: string } } | undefined)?.stacking?.mode === 'normal';
  const shown = stacked ? stack(series) : series.map((each) => ({ ...each, from: null }));
  const legendLines = Math.min(series.length, Math.floor((size.height * LEGEND_SHARE) / LEGEND_LINE));
  const chart = { width: size.width, height: size.height - legendLines * LEGEND_LINE };
  const values = shown.flatMap(({ points }) => points.map(([, value]) => value));
  const marks = exemplars.filter(([seconds]) => seconds >= span.start && seconds <= span.end);
  const top = niceCeiling(Math.max(max ?? 0, ...values, ...marks.map(([, value]) => value)));
  const bottom = min ?? -niceCeiling(Math.max(0, ...values.map((value) => -value)), 0);
  const area = areaOf(chart, span, { bottom, top });
  const lines = shown.map(({ points, from }, i) => drawLine(area, points, from, colourOf(i)));
  const diamonds = marks.map(
    ([seconds, value]) =>
      `<path d="M${area.x(seconds)} ${area.y(value) - 4}l3 4l-3 4l-3-4z" fill="#5794f2" opacity=".8"/>`,
  );
  return (
    svg(chart, [...axes(area, span, { bottom, top }, unit), ...lines.reverse(), ...diamonds].join('')) +
    drawLegend(series, legendLines, unit)
  );
}

export function drawHeatMap({ panel, series }: PanelData, size: Size, span: Span): string {
  const buckets = series
    .map(({ labels, points }) => ({
      le: Number(labels.le === '+Inf' ? Number.POSITIVE_INFINITY : labels.le),
      points,
    }))
    .sort((one, other) => one.le - other.le);
  const area = areaOf(size, span, { bottom: 0, top: buckets.length });
  // Buckets hold those below them, too.
  const below = (i: number, seconds: number) => buckets[i]?.points.find(([at]) => at === seconds)?.[1] ?? 0;
  const cells = buckets.flatMap(({ points }, i) =>
    points.map(([seconds, value]) => ({ i, seconds, value: value - below(i - 1, seconds) })),
  );
  const most = Math.max(...cells.map(({ value }) => value), Number.MIN_VALUE);
  const width = Math.max(2, (size.width - LEFT - RIGHT) / Math.max(1, buckets[0]?.points.length ?? 1));
  const height = area.y(0) - area.y(1);
  const drawn = cells
    .filter(({ value }) => value > 0)
    .map(
      ({ i, seconds, value }) =>
        `<rect x="${area.x(seconds)}" y="${area.y(i + 1)}" width="${width}" height="${height - 1}" fill="#ff9830" opacity="${(0.12 + 0.88 * Math.sqrt(value / most)).toFixed(2)}"/>`,
    );
  const unit = panel.fieldConfig?.defaults.unit ?? 'short';
  const labels = buckets
    .filter((_, i) => i % 3 === 0)
    .map(({ le }, i) =>
      label(
        LEFT - 6,
        area.y(i * 3 + 1) + 4,
        le === Number.POSITIVE_INFINITY ? 'more' : formatValue(le, unit),
      ),
    );
  return svg(size, [...times(area, span), ...labels, ...drawn].join(''));
}

/** A line without axes. */
export function drawSparkline(series: Series | undefined, size: Size, span: Span, colour: string): string {
  if (series === undefined) return '';
  const top = Math.max(...series.points.map(([, value]) => value)) || 1;
  const x = (seconds: number) => ((seconds - span.start) / (span.end - span.start)) * size.width;
  const y = (value: number) => size.height * (1 - (0.9 * Math.max(0, value)) / top);
  const floor = series.points.map(([at]) => [at, 0] as const);
  return svg(size, drawLine({ x, y, size }, series.points, floor, colour));
}

export function colourOf(index: number): string {
  return COLOURS[index % COLOURS.length] as string;
}

interface Scale {
  readonly bottom: number;
  readonly top: number;
}

function areaOf(size: Size, { start, end }: Span, { bottom, top }: Scale): Area {
  const width = size.width - LEFT - RIGHT;
  const height = size.height - TOP - BOTTOM;
  return {
    size,
    x: (seconds) => round(LEFT + ((seconds - start) / (end - start)) * width),
    y: (value) => round(TOP + height * ((top - value) / (top - bottom))),
  };
}

type Points = Series['points'];

/** `from` is the lower edge of an area; null for the axis, faintly. */
function drawLine({ x, y, size }: Area, points: Points, from: Points | null, colour: string): string {
  if (points.length === 1)
    return points
      .map(([at, value]) => `<circle cx="${x(at)}" cy="${y(value)}" r="2" fill="${colour}"/>`)
      .join('');
  const path = (all: Points) => all.map(([at, value]) => `${x(at)} ${y(value)}`).join('L');
  const first = points[0]?.[0] ?? 0;
  const last = points.at(-1)?.[0] ?? 0;
  const floor =
    from === null
      ? `${x(last)} ${size.height - BOTTOM}L${x(first)} ${size.height - BOTTOM}`
      : path(from.toReversed());
  return (
    `<path d="M${path(points)}L${floor}Z" fill="${colour}" opacity="${from === null ? 0.08 : 0.35}"/>` +
    `<path d="M${path(points)}" fill="none" stroke="${colour}" stroke-width="1.2"/>`
  );
}

/** Each on top of those before it. */
function stack(series: readonly Series[]): (Series & { from: Points })[] {
  const sums = new Map<number, number>();
  return series.map((each) => {
    const from = each.points.map(([at]) => [at, sums.get(at) ?? 0] as const);
    const points = each.points.map(([at, value]) => [at, (sums.get(at) ?? 0) + value] as const);
    for (const [at, sum] of points) sums.set(at, sum);
    return { ...each, points, from };
  });
}

const GRID_LINES = 4;

function axes(area: Area, span: Span, { bottom, top }: Scale, unit: string): string[] {
  const values = Array.from({ length: GRID_LINES + 1 }, (_, i) => bottom + ((top - bottom) * i) / GRID_LINES);
  const { width } = area.size;
  return [
    ...values.map(
      (value) =>
        `<path d="M${LEFT} ${area.y(value)}H${width - RIGHT}" stroke="#2a2d34"/>${label(LEFT - 6, area.y(value) + 4, formatValue(value, unit))}`,
    ),
    ...times(area, span),
  ];
}

function times(area: Area, { start, end }: Span): string[] {
  const count = area.size.width > 500 ? 5 : 3;
  return Array.from({ length: count }, (_, i) => start + ((end - start) * (i + 0.5)) / count).map(
    (at) =>
      `<text x="${area.x(at)}" y="${area.size.height - 4}" text-anchor="middle" class="axis">${formatTime(at)}</text>`,
  );
}

function label(x: number, y: number, text: string): string {
  return `<text x="${x}" y="${y}" text-anchor="end" class="axis">${escapeHtml(text)}</text>`;
}

function drawLegend(series: readonly Series[], lines: number, unit: string): string {
  const rows = series.slice(0, lines).map(({ name, points }, i) => {
    const last = points.at(-1)?.[1] ?? Number.NaN;
    const most = Math.max(...points.map(([, value]) => value));
    const more = i === lines - 1 && series.length > lines ? ` (and ${series.length - lines} more)` : '';
    return `<tr><td><i style="background:${colourOf(i)}"></i>${escapeHtml(name + more)}</td><td>${formatValue(last, unit)}</td><td>${formatValue(most, unit)}</td></tr>`;
  });
  return `<table class="legend">${rows.join('')}</table>`;
}

/** The next number of which four parts are easy to read. */
function niceCeiling(value: number, without = 1): number {
  if (!(value > 0)) return without;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 4, 6, 8, 10].find((step) => value <= step * power) ?? 10);
}

function svg({ width, height }: Size, content: string): string {
  return `<svg width="${width}" height="${height}">${content}</svg>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
