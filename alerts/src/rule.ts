/**
 * Alerts as code, and what rule files of Prometheus say of them.
 *
 * Invariant: the text of an alert names only labels that its expression has.
 */
import type { Query } from './promql.ts';

/** `page` wakes somebody up, `ticket` waits for the working day, `none` is for machines. */
export type Severity = 'page' | 'ticket' | 'none';

export interface Alert {
  /** Also the name of its runbook. */
  readonly name: string;
  readonly severity: Severity;
  /** Who is told; null where each series says so itself. */
  readonly team: string | null;
  readonly expression: Query;
  /** How long it has to hold. */
  readonly holds: string;
  /** Besides those of the series, for routes and to tell apart what has one name. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly summary: string;
  readonly description: string;
  /** Part of its uid, and the values of its variables. */
  readonly dashboard: DashboardLink;
}

export interface DashboardLink {
  readonly name: string;
  readonly variables?: Readonly<Record<string, string>>;
}

/** What the texts of an alert may hold; each is a template that Prometheus fills in. */
export interface Fields<Label extends string> {
  readonly labels: { readonly [L in Label]: string };
  readonly value: string;
  readonly percent: string;
  readonly duration: string;
}

export interface AlertDefinition<Label extends string>
  extends Pick<Alert, 'name' | 'severity' | 'team' | 'holds' | 'labels'> {
  readonly expression: Query<Label>;
  summary(fields: Fields<Label>): string;
  description(fields: Fields<Label>): string;
  dashboard(fields: Fields<Label>): DashboardLink;
}

export function defineAlert<Label extends string>(definition: AlertDefinition<Label>): Alert {
  const fields: Fields<Label> = {
    labels: new Proxy({}, { get: (_, label) => `{{ $labels.${String(label)} }}` }) as Fields<Label>['labels'],
    value: '{{ $value | humanize }}',
    percent: '{{ $value | humanizePercentage }}',
    duration: '{{ $value | humanizeDuration }}',
  };
  return {
    ...definition,
    summary: definition.summary(fields),
    description: definition.description(fields),
    dashboard: definition.dashboard(fields),
  };
}

export interface Recording {
  readonly metric: { readonly name: string };
  readonly expression: Query;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Group {
  readonly name: string;
  readonly recordings: readonly Recording[];
  readonly alerts: readonly Alert[];
}

export interface Links {
  readonly grafanaUrl: string;
  readonly runbooksUrl: string;
}

/** The content of a rule file. */
export function toRuleFile(groups: readonly Group[], links: Links): object {
  return {
    groups: groups.map(({ name, recordings, alerts }) => ({
      name,
      rules: [...recordings.map(toRecordingRule), ...alerts.map((alert) => toAlertRule(alert, links))],
    })),
  };
}

function toRecordingRule({ metric, expression, labels }: Recording): object {
  return { record: metric.name, expr: expression.text, labels };
}

function toAlertRule(alert: Alert, links: Links): object {
  const { name, severity, team, expression, holds, labels, summary, description } = alert;
  return {
    alert: name,
    expr: expression.text,
    for: holds,
    labels: { severity, ...(team !== null && { team }), ...labels },
    annotations: { summary, description, ...linksOf(alert, links) },
  };
}

export function linksOf({ name, dashboard }: Alert, { grafanaUrl, runbooksUrl }: Links) {
  // Values are templates, and names of the mesh need no escaping in a URL.
  const variables = Object.entries(dashboard.variables ?? {}).map(([key, value]) => `var-${key}=${value}`);
  const query = variables.length === 0 ? '' : `?${variables.join('&')}`;
  return {
    runbook_url: `${runbooksUrl}/${name}.md`,
    dashboard_url: `${grafanaUrl}/d/tulle-${dashboard.name}${query}`,
  };
}
