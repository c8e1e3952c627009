/**
 * What the reader of a dashboard chooses: datasources, namespaces, services, and so on.
 *
 * Invariant: a variable without a choice stands for everything, so that a dashboard shows something as soon as it is opened; `.*` also takes samples
 * without the label, as where nobody runs Kubernetes.
 */
import {
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';

// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana fills it in
export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

/** Matches what is chosen in the variable of that name. */
export function chosen<Name extends string>(name: Name): { readonly like: `$${Name}` } {
  return { like: `$${name}` };
}

/** What Prometheus has. */
export function metricsSource(): DatasourceVariableBuilder {
  return new DatasourceVariableBuilder('datasource').label('Metrics').type('prometheus');
}

/** Where traces are looked up. */
export function tracesSource(): DatasourceVariableBuilder {
  return new DatasourceVariableBuilder('traces').label('Traces').type('tempo');
}

export interface LabelVariableSpec {
  readonly label: string;
  readonly title: string;
  readonly selector: string;
  /** What no choice stands for; null for exactly the values that there are. */
  readonly all?: string | null;
}

/** The values that a label has in the series of a selector. */
export function labelVariable(
  name: string,
  { label, title, selector, all = '.*' }: LabelVariableSpec,
): QueryVariableBuilder {
  const query = `label_values(${selector}, ${label})`;
  const variable = new QueryVariableBuilder(name)
    .label(title)
    .datasource(DATASOURCE)
    .definition(query)
    .query({ query, refId: 'PrometheusVariableQueryEditor-VariableQuery' })
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .current({ text: 'All', value: '$__all' });
  return all === null ? variable : variable.allValue(all);
}
