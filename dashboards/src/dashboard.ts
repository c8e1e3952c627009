/**
 * A dashboard from rows of panels. The first row answers the question of its title; further ones say why.
 */
import {
  type AnnotationQueryBuilder,
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  type DatasourceVariableBuilder,
  type Panel,
  type QueryVariableBuilder,
  type RowPanel,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { allDashboards, type DashboardName, TAG, uidOf } from './links.ts';

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface DashboardSpec {
  readonly name: DashboardName;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly (DatasourceVariableBuilder | QueryVariableBuilder)[];
  readonly annotations: readonly AnnotationQueryBuilder[];
  readonly rows: readonly Row[];
  /** How far back it looks at first. */
  readonly from?: string;
}

export function createDashboard(spec: DashboardSpec): Dashboard {
  const { name, title, description, variables, annotations, rows, from = 'now-1h' } = spec;
  const dashboard = new DashboardBuilder(`Tulle / ${title}`)
    .uid(uidOf(name))
    .description(description)
    .tags([TAG])
    .time({ from, to: 'now' })
    .refresh('30s')
    .readonly()
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .variables([...variables])
    .annotations([...annotations])
    .link(allDashboards())
    .build();
  return { ...dashboard, panels: place(rows) };
}

const GRID_WIDTH = 24;

/** From left to right, a new line where no room is left. */
function place(rows: readonly Row[]): (Panel | RowPanel)[] {
  const placed: (Panel | RowPanel)[] = [];
  let y = 0;
  for (const { title, panels } of rows) {
    placed.push({
      type: 'row',
      id: placed.length + 1,
      title,
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y, w: GRID_WIDTH, h: 1 },
    });
    y++;
    let x = 0;
    let lineHeight = 0;
    for (const panel of panels) {
      const { w = 0, h = 0 } = panel.gridPos ?? {};
      if (x + w > GRID_WIDTH) {
        x = 0;
        y += lineHeight;
        lineHeight = 0;
      }
      placed.push({ ...panel, id: placed.length + 1, gridPos: { x, y, w, h } });
      x += w;
      lineHeight = Math.max(lineHeight, h);
    }
    y += lineHeight;
  }
  return placed;
}
