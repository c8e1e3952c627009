/**
 * PromQL built from the declarations of metrics: a name or a label that no metric has does not compile.
 *
 * Invariants: a query knows which labels its result may have; a counter is only read through `rate` or `increase`; parentheses are where the
 * precedence of PromQL needs them.
 */
import type { HistogramDeclaration, MetricDeclaration } from '../../sidecar/src/observe/metric.ts';

/** What an instant query returns: a vector whose series have no label but these. */
export interface Query<Label extends string = string> {
  readonly text: string;
  /** How tightly the outermost operator binds; what has none binds tightest. */
  readonly binding: number;
  /** For the compiler alone. */
  readonly labels?: Label;
}

/** Samples of counters, which only a range makes sense of. */
export interface Counter<Label extends string = string> {
  readonly selector: string;
  readonly labels?: Label;
}

/** The sidecar's own name, which every metric of ours has, and the labels that scraping adds; the last two in Kubernetes. */
export type CommonLabel = 'service_name' | 'job' | 'instance' | 'namespace' | 'pod';

export type Match =
  | string
  | { readonly not: string }
  | { readonly like: string }
  | { readonly notLike: string };
export type Selection<Label extends string> = {
  readonly [L in Label | CommonLabel]?: Match | undefined;
};

/** As Prometheus writes them: `90s`, `5m`, `1h30m`; or a variable of Grafana. */
export type Window = string;

export function gaugeOf<Label extends string>(
  metric: MetricDeclaration<'gauge', string, Label>,
  selection: Selection<Label> = {},
): Query<Label | CommonLabel> {
  return leaf(select(metric.name, selection));
}

export function counterOf<Label extends string>(
  metric: MetricDeclaration<'counter', string, Label>,
  selection: Selection<Label> = {},
): Counter<Label | CommonLabel> {
  return { selector: select(metric.name, selection) };
}

/** How many were observed. */
export function countOf<Label extends string>(
  metric: HistogramDeclaration<string, Label>,
  selection: Selection<Label> = {},
): Counter<Label | CommonLabel> {
  return { selector: select(`${metric.name}_count`, selection) };
}

/** How many were observed that are at most a bound, by bound. */
export function bucketsOf<Label extends string>(
  metric: HistogramDeclaration<string, Label>,
  selection: Selection<Label | 'le'> = {},
): Counter<Label | CommonLabel | 'le'> {
  return { selector: select(`${metric.name}_bucket`, selection) };
}

export function sumOf<Label extends string>(
  metric: HistogramDeclaration<string, Label>,
  selection: Selection<Label> = {},
): Counter<Label | CommonLabel> {
  return { selector: select(`${metric.name}_sum`, selection) };
}

export function rate<Label extends string>(counter: Counter<Label>, window: Window): Query<Label> {
  return leaf(`rate(${counter.selector}[${window}])`);
}

export function increase<Label extends string>(counter: Counter<Label>, window: Window): Query<Label> {
  return leaf(`increase(${counter.selector}[${window}])`);
}

type Over = 'avg' | 'min' | 'max' | 'sum' | 'count' | 'last';

/** Each series over its past; a query that is more than a selector is asked anew at each `step`. */
export function overTime<Label extends string>(
  over: Over,
  query: Query<Label>,
  window: Window,
  step?: Window,
): Query<Label> {
  const range = step === undefined ? `${query.text}[${window}]` : `${wrap(query, ATOM)}[${window}:${step}]`;
  return leaf(`${over}_over_time(${range})`);
}

type Aggregation = 'sum' | 'min' | 'max' | 'avg' | 'count' | 'group';

/** Without labels all series become one. */
export function aggregate<Label extends string, By extends Label = never>(
  aggregation: Aggregation,
  query: Query<Label>,
  by: readonly By[] = [],
): Query<By> {
  const grouping = by.length === 0 ? '' : ` by (${by.join(', ')}) `;
  return leaf(`${aggregation}${grouping}(${query.text})`);
}

export function sum<Label extends string, By extends Label = never>(
  query: Query<Label>,
  by: readonly By[] = [],
): Query<By> {
  return aggregate('sum', query, by);
}

/** Of a histogram, from the rates of its buckets. */
export function quantile<Label extends string, By extends Label | CommonLabel = never>(
  share: number,
  metric: HistogramDeclaration<string, Label>,
  { where = {}, window, by = [] }: { where?: Selection<Label>; window: Window; by?: readonly By[] },
): Query<By> {
  const buckets = rate(bucketsOf(metric, where as Selection<Label | 'le'>), window);
  return leaf(`histogram_quantile(${share}, ${aggregate('sum', buckets, ['le', ...by] as never[]).text})`);
}

type Operand<Label extends string> = Query<Label> | number;

/** Series with the same labels meet. */
export function divide<Label extends string>(
  left: Query<Label>,
  right: Operand<NoInfer<Label>>,
): Query<Label> {
  return operation(left, '/', right);
}

export function times<Label extends string>(
  left: Query<Label>,
  right: Operand<NoInfer<Label>>,
): Query<Label> {
  return operation(left, '*', right);
}

export function minus<Label extends string>(
  left: Query<Label>,
  right: Operand<NoInfer<Label>>,
): Query<Label> {
  return operation(left, '-', right);
}

export function plus<Label extends string>(left: Query<Label>, right: Operand<NoInfer<Label>>): Query<Label> {
  return operation(left, '+', right);
}

/** What is left of something whose whole is 1. */
export function remainderOf<Label extends string>(share: Query<Label>): Query<Label> {
  return { text: `1 - ${wrap(share, BINDINGS['-'] + 1)}`, binding: BINDINGS['-'] };
}

type Comparison = '>' | '<' | '>=' | '<=' | '==' | '!=';

/** The series for which it holds. */
export function where<Label extends string>(
  left: Query<Label>,
  comparison: Comparison,
  right: Operand<NoInfer<Label>>,
): Query<Label> {
  return operation(left, comparison, right);
}

type Joining = { readonly on: readonly string[] } | { readonly ignoring: readonly string[] };

/** The series on the left that have one on the right with the same labels, of those that `joining` names. */
export function and<Label extends string>(
  left: Query<Label>,
  right: Query<string>,
  joining?: Joining,
): Query<Label> {
  return operation(left, `and${joiningOf(joining)}`, right);
}

/** The series on the left, and those on the right whose labels none on the left has. */
export function or<Label extends string>(left: Query<Label>, right: Query<NoInfer<Label>>): Query<Label> {
  return operation(left, 'or', right);
}

export function unless<Label extends string>(left: Query<Label>, right: Query<string>): Query<Label> {
  return operation(left, 'unless', right);
}

/** One series when there is none. */
export function absent(query: Query<string>): Query<never> {
  return leaf(`absent(${query.text})`);
}

/** In seconds, from a time in Unix seconds. */
export function secondsUntil<Label extends string>(query: Query<Label>): Query<Label> {
  return operation(query, '-', { text: 'time()', binding: ATOM });
}

export function secondsSince<Label extends string>(query: Query<Label>): Query<Label> {
  return { text: `time() - ${wrap(query, BINDINGS['-'] + 1)}`, binding: BINDINGS['-'] };
}

/** A series without labels. */
export function constant(value: number): Query<never> {
  return leaf(`vector(${value})`);
}

const ATOM = 6;
const BINDINGS: Readonly<Record<string, number>> & { readonly '-': number } = {
  '*': 5,
  '/': 5,
  '+': 4,
  '-': 4,
  and: 2,
  unless: 2,
  or: 1,
};
const COMPARISON = 3;

function leaf<Label extends string>(text: string): Query<Label> {
  return { text, binding: ATOM };
}

function operation<Label extends string>(
  left: Query<Label>,
  operator: string,
  right: Operand<string>,
): Query<Label> {
  const binding = BINDINGS[operator.split(' ')[0] as string] ?? COMPARISON;
  // From the left: what is on the right has to bind more tightly.
  const second = typeof right === 'number' ? String(right) : wrap(right, binding + 1);
  return { text: `${wrap(left, binding)} ${operator} ${second}`, binding };
}

function wrap({ text, binding }: Query<string>, needed: number): string {
  return binding >= needed ? text : `(${text})`;
}

function joiningOf(joining: Joining | undefined): string {
  if (joining === undefined) return '';
  const [word, labels] = Object.entries(joining)[0] as [string, readonly string[]];
  return ` ${word} (${labels.join(', ')})`;
}

function select(name: string, selection: Readonly<Record<string, Match | undefined>>): string {
  const matchers = Object.entries(selection).flatMap(([label, match]) =>
    match === undefined ? [] : [matcher(label, match)],
  );
  return matchers.length === 0 ? name : `${name}{${matchers.join(', ')}}`;
}

function matcher(label: string, match: Match): string {
  if (typeof match === 'string') return `${label}=${quote(match)}`;
  if ('not' in match) return `${label}!=${quote(match.not)}`;
  if ('like' in match) return `${label}=~${quote(match.like)}`;
  return `${label}!~${quote(match.notLike)}`;
}

/** Strings of PromQL escape as those of JSON do. */
function quote(text: string): string {
  return JSON.stringify(text);
}
