/**
 * What the queries of a panel answer, for one span of time.
 */
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { interpolate, type Values } from '../interpolate.ts';
import { type Target, targetsOf } from '../panels.ts';

/** Asks the HTTP API of Prometheus, by path below `/api/v1/`. */
export type Ask = (path: string, parameters: Record<string, string>) => Promise<unknown>;

/** In Unix seconds. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Series {
  readonly target: Target;
  readonly labels: Readonly<Record<string, string>>;
  readonly name: string;
  /** Of an instant there is one; none is anything but a number. */
  readonly points: readonly (readonly [seconds: number, value: number])[];
}

export interface PanelData {
  readonly panel: Panel;
  readonly series: readonly Series[];
  readonly exemplars: readonly (readonly [seconds: number, value: number])[];
}

/** Points of a line. */
const RESOLUTION = 120;

interface Answer {
  readonly result: readonly {
    readonly metric: Record<string, string>;
    readonly values?: readonly [number, string][];
    readonly value?: [number, string];
  }[];
}

export async function readPanel(panel: Panel, ask: Ask, span: Span, values: Values): Promise<PanelData> {
  const targets = targetsOf(panel);
  const series = await Promise.all(targets.map((target) => readSeries(target, ask, span, values)));
  const exemplars = await Promise.all(
    targets.filter(({ exemplar }) => exemplar).map((target) => readExemplars(target, ask, span, values)),
  );
  return { panel, series: series.flat(), exemplars: exemplars.flat() };
}

async function readSeries(target: Target, ask: Ask, { start, end }: Span, values: Values): Promise<Series[]> {
  const query = interpolate(target.expr, values);
  const step = String(Math.max(1, (end - start) / RESOLUTION));
  const { result } = (
    target.instant
      ? await ask('query', { query, time: String(end) })
      : await ask('query_range', { query, start: String(start), end: String(end), step })
  ) as Answer;
  return result
    .map(({ metric, values: range, value }) => ({
      target,
      labels: metric,
      name: nameOf(target.legendFormat ?? '', metric),
      points: (range ?? (value === undefined ? [] : [value]))
        .map(([seconds, text]) => [seconds, Number(text)] as const)
        .filter(([, number]) => Number.isFinite(number)),
    }))
    .filter(({ points }) => points.length > 0);
}

async function readExemplars(target: Target, ask: Ask, { start, end }: Span, values: Values) {
  const found = (await ask('query_exemplars', {
    query: interpolate(target.expr, values),
    start: String(start),
    end: String(end),
  })) as { exemplars: { value: string; timestamp: number }[] }[];
  return found.flatMap(({ exemplars }) =>
    exemplars.map(({ value, timestamp }) => [timestamp, Number(value)] as const),
  );
}

/** As Grafana fills in a legend. */
function nameOf(legend: string, labels: Readonly<Record<string, string>>): string {
  return legend.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label: string) => labels[label] ?? '').trim() || 'value';
}
