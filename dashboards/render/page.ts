/**
 * A dashboard as one page, laid out as Grafana would. It is a picture of what the queries answer, not of Grafana.
 */
import type { Dashboard, Panel, RowPanel } from '@grafana/grafana-foundation-sdk/dashboard';
import type { Values } from '../interpolate.ts';
import { panelsOf } from '../panels.ts';
import { drawHeatMap, drawTimeSeries, type Size } from './chart.ts';
import { escapeHtml } from './format.ts';
import { drawGraph } from './graph.ts';
import { type Ask, type PanelData, readPanel, type Span } from './panel-data.ts';
import { drawBars, drawStat, drawTable } from './values.ts';

export interface Page extends Size {
  readonly html: string;
  /** Titles of panels whose queries have no answer. */
  readonly withoutData: readonly string[];
}

const WIDTH = 1_560;
const COLUMN = WIDTH / 24;
const LINE = 37;
const GAP = 7;
const HEAD = 66;
const TITLE = 26;
export const NO_DATA = 'No data';

export async function drawDashboard(
  dashboard: Dashboard,
  ask: Ask,
  span: Span,
  values: Values,
): Promise<Page> {
  const data = await Promise.all(panelsOf(dashboard).map((panel) => readPanel(panel, ask, span, values)));
  const rows = (dashboard.panels ?? []).filter((panel): panel is RowPanel => panel.type === 'row');
  const bottom = Math.max(...data.map(({ panel }) => (panel.gridPos?.y ?? 0) + (panel.gridPos?.h ?? 0)));
  const height = HEAD + bottom * LINE + GAP;
  const boxes = [...rows.map(drawRow), ...data.map((each) => drawPanel(each, span))];
  return {
    width: WIDTH,
    height,
    html: frame(dashboard, boxes.join('')),
    withoutData: data.filter(({ series }) => series.length === 0).map(({ panel }) => panel.title ?? ''),
  };
}

function drawRow({ title, gridPos }: RowPanel): string {
  return `<h2 style="top:${HEAD + (gridPos?.y ?? 0) * LINE}px">${escapeHtml(title ?? '')}</h2>`;
}

function drawPanel(data: PanelData, span: Span): string {
  const { title = '', gridPos } = data.panel;
  const { x, y, w, h } = { x: 0, y: 0, w: 0, h: 0, ...gridPos };
  const [width, height] = [w * COLUMN - GAP, h * LINE - GAP];
  const inner = { width: width - 16, height: height - TITLE - 8 };
  const content =
    data.series.length === 0 ? `<p class="nothing">${NO_DATA}</p>` : drawContent(data, inner, span);
  return (
    `<section style="left:${x * COLUMN + GAP / 2}px;top:${HEAD + y * LINE}px;width:${width}px;height:${height}px">` +
    `<h3>${escapeHtml(title)}</h3><div class="content">${content}</div></section>`
  );
}

const DRAWINGS: Readonly<Record<string, (data: PanelData, size: Size, span: Span) => string>> = {
  timeseries: drawTimeSeries,
  heatmap: drawHeatMap,
  stat: drawStat,
  bargauge: drawBars,
  table: drawTable,
  nodeGraph: drawGraph,
};

function drawContent(data: PanelData, size: Size, span: Span): string {
  const draw = DRAWINGS[data.panel.type];
  if (draw === undefined) throw new Error(`there is no drawing of a ${(data.panel as Panel).type} panel`);
  return draw(data, size, span);
}

function frame({ title = '', description = '' }: Dashboard, content: string): string {
  return `<!doctype html><meta charset="utf-8"><title>${escapeHtml(title)}</title><style>${STYLE}</style>
<header><h1>${escapeHtml(title)}</h1><p>${escapeHtml(description)}</p></header>${content}`;
}

const STYLE = `
body { margin: 0; background: #111217; color: #d8d9da; font: 12px "DejaVu Sans", sans-serif; position: relative }
header { padding: 10px 12px; height: ${HEAD - 20}px } h1 { margin: 0; font-size: 19px } header p { margin: 4px 0; color: #9fa7b3 }
h2 { position: absolute; left: 8px; margin: 9px 4px; font-size: 14px; font-weight: normal; color: #c7d0d9 }
section { position: absolute; background: #181b1f; border: 1px solid #25282e; border-radius: 3px; box-sizing: border-box; overflow: hidden }
h3 { margin: 6px 8px; font-size: 12px; white-space: nowrap } .content { padding: 0 8px; position: relative }
svg { display: block } .axis { fill: #9fa7b3; font-size: 10px } .node { fill: #d8d9da; font-size: 11px }
table { border-collapse: collapse; width: 100% } td, th { white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
.legend { table-layout: fixed; font-size: 11px; color: #c7d0d9 } .legend td { height: 17px; padding: 0 }
.legend td:nth-child(n+2) { width: 74px; text-align: right } .legend i { display: inline-block; width: 12px; height: 3px; margin-right: 6px; vertical-align: middle }
.values th { text-align: left; color: #8ab8ff; font-weight: normal } .values td, .values th { height: 22px; padding: 0 6px; border-bottom: 1px solid #25282e; max-width: 260px }
.bars td { height: 22px; padding: 0 6px } .bars .bar { width: 55% } .bars i { display: block; height: 13px; background: #5794f2; min-width: 1px }
.stat { font-size: 25px; text-align: center; padding-top: 6px } .spark { position: absolute; left: 0; top: 44px; opacity: .8 }
.nothing { text-align: center; color: #9fa7b3; padding-top: 20px }`;
