/**
 * Panels of now: single numbers, bars, tables.
 */
import type { Panel, Threshold } from '@grafana/grafana-foundation-sdk/dashboard';
import { drawSparkline, type Size } from './chart.ts';
import { escapeHtml, formatValue } from './format.ts';
import type { PanelData, Span } from './panel-data.ts';

const COLOURS: Readonly<Record<string, string>> = {
  green: '#73bf69',
  orange: '#ff9830',
  red: '#f2495c',
  blue: '#5794f2',
};
const ROW_HEIGHT = 23;

export function drawStat({ panel, series }: PanelData, size: Size, span: Span): string {
  const { unit = 'short', thresholds } = panel.fieldConfig?.defaults ?? {};
  const [first] = series;
  const last = first?.points.at(-1)?.[1] ?? Number.NaN;
  const colour = colourFor(last, thresholds?.steps ?? []);
  const spark = { width: size.width, height: size.height / 2 };
  return (
    `<div class="stat" style="color:${colour}">${escapeHtml(formatValue(last, unit))}</div>` +
    `<div class="spark">${drawSparkline(first, spark, span, colour)}</div>`
  );
}

export function drawBars({ panel, series }: PanelData, size: Size): string {
  const unit = panel.fieldConfig?.defaults.unit ?? 'short';
  const bars = series
    .map(({ name, points }) => ({ name, value: points.at(-1)?.[1] ?? 0 }))
    .sort((one, other) => other.value - one.value)
    .slice(0, Math.floor(size.height / ROW_HEIGHT));
  const most = bars[0]?.value || 1;
  const rows = bars.map(
    ({ name, value }) =>
      `<tr><td>${escapeHtml(name)}</td><td class="bar"><i style="width:${(100 * value) / most}%"></i></td><td>${formatValue(value, unit)}</td></tr>`,
  );
  return `<table class="bars">${rows.join('')}</table>`;
}

interface Organised {
  readonly renameByName: Readonly<Record<string, string>>;
  readonly indexByName: Readonly<Record<string, number>>;
}

/** Queries side by side: a row for each combination of labels. */
export function drawTable(data: PanelData, size: Size): string {
  const { panel, series } = data;
  const { renameByName, indexByName } = organisedBy(panel);
  const fields = Object.keys(renameByName).sort(
    (one, other) => (indexByName[one] ?? 0) - (indexByName[other] ?? 0),
  );
  const rows = new Map<string, { labels: Readonly<Record<string, string>>; values: Map<string, number> }>();
  for (const { labels, target, points } of series) {
    const key = JSON.stringify(Object.entries(labels).sort());
    const row = rows.get(key) ?? { labels, values: new Map<string, number>() };
    const field = `Value #${target.refId}`;
    row.values.set(field in renameByName ? field : 'Value', points.at(-1)?.[1] ?? Number.NaN);
    rows.set(key, row);
  }
  const sorted = [...rows.values()].sort(
    (one, other) => firstOf(other.values, fields) - firstOf(one.values, fields),
  );
  const shown = sorted.slice(0, Math.max(1, Math.floor(size.height / ROW_HEIGHT) - 1));
  const head = fields.map((field) => `<th>${escapeHtml(renameByName[field] ?? field)}</th>`).join('');
  const body = shown.map(({ labels, values }) => {
    const cells = fields.map((field) =>
      isValue(field)
        ? valueCell(panel, renameByName[field] ?? '', values.get(field))
        : `<td>${escapeHtml(labels[field] ?? '')}</td>`,
    );
    return `<tr>${cells.join('')}</tr>`;
  });
  return `<table class="values"><tr>${head}</tr>${body.join('')}</table>`;
}

function valueCell(panel: Panel, head: string, value = Number.NaN): string {
  const overrides =
    panel.fieldConfig?.overrides.find(({ matcher }) => matcher.options === head)?.properties ?? [];
  const property = (id: string) => overrides.find((each) => each.id === id)?.value;
  const { steps = [] } = (property('thresholds') ?? {}) as { steps?: readonly Threshold[] };
  const colour = steps.length > 0 && Number.isFinite(value) ? colourFor(value, steps) : 'inherit';
  return `<td style="color:${colour}">${escapeHtml(formatValue(value, String(property('unit') ?? 'short')))}</td>`;
}

function organisedBy({ transformations = [] }: Panel): Organised {
  const found = transformations.find(({ id }) => id === 'organize');
  return { renameByName: {}, indexByName: {}, ...(found?.options as Partial<Organised>) };
}

function isValue(field: string): boolean {
  return field.startsWith('Value');
}

function firstOf(values: ReadonlyMap<string, number>, fields: readonly string[]): number {
  const value = values.get(fields.find(isValue) ?? '');
  return value === undefined || Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value;
}

function colourFor(value: number, steps: readonly Threshold[]): string {
  const step = steps.findLast((each) => each.value === null || value >= each.value);
  return COLOURS[step?.color ?? ''] ?? '#d8d9da';
}
