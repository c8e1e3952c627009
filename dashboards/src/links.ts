/**
 * Where dashboards lead: to each other, and to the traces of what they show.
 */
import { DashboardLinkBuilder, DashboardLinkType } from '@grafana/grafana-foundation-sdk/dashboard';

/** Every dashboard by its name; its uid never changes, since alerts and bookmarks hold it. */
export type DashboardName =
  | 'mesh'
  | 'service'
  | 'route'
  | 'sidecar'
  | 'queues'
  | 'control-plane'
  | 'rate-limits'
  | 'waf'
  | 'telemetry'
  | 'phases'
  | 'slo';

export const TAG = 'tulle';

export function uidOf(name: DashboardName): string {
  return `tulle-${name}`;
}

/** In the head of each dashboard. */
export function allDashboards(): DashboardLinkBuilder {
  return new DashboardLinkBuilder('Tulle')
    .type(DashboardLinkType.Dashboards)
    .tags([TAG])
    .asDropdown(true)
    .includeVars(true)
    .keepTime(true);
}

/** From a value to what is behind it. `variables` may name labels of the value: `labelOf('service_name')`. */
export function linkTo(
  name: DashboardName,
  title: string,
  variables: Readonly<Record<string, string>>,
): DashboardLinkBuilder {
  const set = Object.entries(variables).map(([variable, value]) => `var-${variable}=${value}`);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana fills it in
  const query = ['var-datasource=${datasource}', ...set, '${__url_time_range}'].join('&');
  return new DashboardLinkBuilder(title).url(`/d/${uidOf(name)}?${query}`);
}

export function labelOf(label: string): string {
  return `\${__field.labels.${label}}`;
}

/** Of a row of a table. */
export function columnOf(column: string): string {
  return `\${__data.fields.${column}}`;
}

/** The traces of the services that the dashboard shows, in the datasource that its variable names. */
export function tracesOf(): DashboardLinkBuilder {
  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: Grafana fills them in
  const datasource = '${traces}';
  const query = '{resource.service.name=~"${service:regex}" && (status=error || duration>${__value.raw}s)}';
  const range = { from: '${__from}', to: '${__to}' };
  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: Grafana fills them in
  const queries = [
    { refId: 'A', datasource: { type: 'tempo', uid: datasource }, queryType: 'traceql', query },
  ];
  const panes = JSON.stringify({ tulle: { datasource, queries, range } });
  return new DashboardLinkBuilder('Traces that failed or took longer than this').url(
    `/explore?schemaVersion=1&panes=${panes}`,
  );
}
