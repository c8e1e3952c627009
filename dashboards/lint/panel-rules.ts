/**
 * Rules about single panels.
 */
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { panelsOf, targetsOf } from '../panels.ts';
import type { DashboardRule } from './finding.ts';

/** Whose values are told apart by their legend. */
const WITH_LEGEND = ['timeseries', 'bargauge'];

export const PANEL_RULES: readonly DashboardRule[] = [
  panelRule('panel-described', ({ title, description }) => {
    if (!title) return 'has no title';
    return description ? null : 'has no description';
  }),
  panelRule('panel-unit', ({ fieldConfig }) => (fieldConfig?.defaults.unit ? null : 'has no unit')),
  panelRule('panel-asks', (panel) => (targetsOf(panel).length > 0 ? null : 'has no query')),
  panelRule('panel-legend', (panel) => {
    const without = targetsOf(panel).find(({ legendFormat }) => !legendFormat);
    const needed = WITH_LEGEND.includes(panel.type);
    return needed && without !== undefined ? `does not name the series of query ${without.refId}` : null;
  }),
  panelRule('panel-title-unique', ({ id, title }, all) =>
    all.some((other) => other.title === title && other.id !== id) ? 'has the title of another' : null,
  ),
];

function panelRule(
  name: string,
  problemOf: (panel: Panel, all: readonly Panel[]) => string | null,
): DashboardRule {
  return {
    name,
    *check(dashboard) {
      const panels = panelsOf(dashboard);
      for (const panel of panels) {
        const problem = problemOf(panel, panels);
        if (problem !== null) yield { where: panel.title || `panel ${panel.id}`, problem };
      }
    },
  };
}
