/**
 * What dashboards need of PromQL beside what rules do.
 */
import {
  aggregate,
  bucketsOf,
  type CommonLabel,
  counterOf,
  gaugeOf,
  type Query,
  rate,
  type Selection,
  sum,
} from '../../alerts/src/promql.ts';
import type { HistogramDeclaration, MetricDeclaration } from '../../sidecar/src/observe/metric.ts';

/** A window that fits the resolution of the panel, and never falls between two scrapes. */
export const RATE = '$__rate_interval';

/** How often something was counted a second. */
export function perSecond<Label extends string, By extends Label | CommonLabel = never>(
  metric: MetricDeclaration<'counter', string, Label>,
  where: Selection<Label>,
  by: readonly By[] = [],
): Query<By> {
  return sum(rate(counterOf(metric, where), RATE), by);
}

/** How many observations a second fell into each bucket and those below it. */
export function bucketsPerSecond<Label extends string>(
  metric: HistogramDeclaration<string, Label>,
  where: Selection<Label | 'le'>,
): Query<'le'> {
  return sum(rate(bucketsOf(metric, where), RATE), ['le']);
}

/** What a gauge says, added up. */
export function total<Label extends string, By extends Label | CommonLabel = never>(
  metric: MetricDeclaration<'gauge', string, Label>,
  where: Selection<Label>,
  by: readonly By[] = [],
): Query<By> {
  return sum(gaugeOf(metric, where), by);
}

/** The highest that a gauge says. */
export function highest<Label extends string, By extends Label | CommonLabel = never>(
  metric: MetricDeclaration<'gauge', string, Label>,
  where: Selection<Label>,
  by: readonly By[] = [],
): Query<By> {
  return aggregate('max', gaugeOf(metric, where), by);
}

/** What a series is called that lacks the label. */
export function orElse<Label extends string>(
  label: NoInfer<Label>,
  value: string,
  query: Query<Label>,
): Query<Label> {
  return relabel(query, { from: label, to: label, pattern: '', value });
}

/** Each series divided by one number for all of them. */
export function divideAll<Label extends string>(parts: Query<Label>, whole: Query<never>): Query<Label> {
  return call(`(${parts.text}) / on () group_left () (${whole.text})`);
}

/** The largest. */
export function topK<Label extends string>(count: number, query: Query<Label>): Query<Label> {
  return call(`topk(${count}, ${query.text})`);
}

/** The value of a label, as far as `pattern` takes it, in a label of another name; a series whose value does not match stays as it is. */
export function relabel<Label extends string, New extends string>(
  query: Query<Label>,
  { from, to, pattern = '(.+)', value = '$1' }: { from: Label; to: New; pattern?: string; value?: string },
): Query<Label | New> {
  return call(
    `label_replace(${query.text}, ${[to, value, from, pattern].map((part) => JSON.stringify(part)).join(', ')})`,
  );
}

function call<Label extends string>(text: string): Query<Label> {
  return { text, binding: Number.POSITIVE_INFINITY };
}
