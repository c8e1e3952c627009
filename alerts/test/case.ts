// A case of an alert as promtool plays it: what Prometheus has scraped, and what comes of it.
import type { MetricDeclaration } from '../../sidecar/src/observe/metric.ts';

export interface AlertCase {
  readonly alert: string;
  /** When it fires, with everything that whoever is told gets to see. */
  readonly firing: Scraped & { readonly expected: readonly Expected[] };
  /** Something that looks like it, and is none. */
  readonly silent: Scraped;
}

export interface Scraped {
  readonly series: readonly Series[];
  /** When it is looked at, from the first scrape on: `90m`. */
  readonly at: string;
  /** Between two scrapes; a minute unless said. */
  readonly every?: string;
}

export interface Expected {
  /** Of Prometheus alone: severity, team, and those of the series. */
  readonly labels: Readonly<Record<string, string>>;
  readonly summary: string;
  readonly description: string;
  /** Behind the last slash of its URL. */
  readonly dashboard: string;
}

export interface Series {
  readonly series: string;
  /** https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series */
  readonly values: string;
}

type LabelsOf<Label extends string> = {
  readonly [L in Label | 'service_name' | 'job' | 'instance']?: string;
};

export function series<Label extends string>(
  { name, type }: MetricDeclaration<'counter' | 'gauge' | 'histogram', string, Label>,
  labels: LabelsOf<NoInfer<Label>>,
  values: string,
): Series {
  // Of a histogram how many were observed.
  return { series: selectorOf(type === 'histogram' ? `${name}_count` : name, labels), values };
}

export function bucket<Label extends string>(
  { name }: MetricDeclaration<'histogram', string, Label>,
  labels: LabelsOf<NoInfer<Label> | 'le'>,
  values: string,
): Series {
  return { series: selectorOf(`${name}_bucket`, labels), values };
}

function selectorOf(name: string, labels: Readonly<Record<string, string | undefined>>): string {
  return `${name}{${Object.entries(labels).map(([label, value]) => `${label}="${value}"`)}}`;
}
