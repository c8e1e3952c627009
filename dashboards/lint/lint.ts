/**
 * What is known to go wrong with dashboards, checked: the rules of Grafana's own linter that apply here, and some of ours.
 */
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { DASHBOARD_RULES } from './dashboard-rules.ts';
import type { Finding } from './finding.ts';
import { PANEL_RULES } from './panel-rules.ts';
import { QUERY_RULES } from './query-rules.ts';

export const RULES = [...DASHBOARD_RULES, ...PANEL_RULES, ...QUERY_RULES];

export function lint(dashboards: readonly Dashboard[]): Finding[] {
  return dashboards.flatMap((dashboard) =>
    RULES.flatMap(({ name, check }) =>
      Array.from(check(dashboard, dashboards), ({ where, problem }) => ({
        rule: name,
        where: [dashboard.uid, where].filter((part) => part !== undefined).join(': '),
        problem,
      })),
    ),
  );
}
