/**
 * Who calls whom: callers on the left of those that they call.
 */
import type { Size } from './chart.ts';
import { escapeHtml, formatValue } from './format.ts';
import type { PanelData } from './panel-data.ts';

interface Edge {
  readonly source: string;
  readonly target: string;
  readonly value: number;
}

const RADIUS = 24;
const MARGIN = 90;
/** How high an edge bends, as a share of its width. */
const BOW = 0.22;

export function drawGraph({ panel, series }: PanelData, { width, height }: Size): string {
  const unit = panel.fieldConfig?.defaults.unit ?? 'short';
  const lastOf = (points: PanelData['series'][number]['points']) => points.at(-1)?.[1] ?? 0;
  const edges: Edge[] = series
    .filter(({ target }) => target.refId === 'edges')
    .map(({ labels, points }) => ({
      source: labels.source ?? '',
      target: labels.target ?? '',
      value: lastOf(points),
    }));
  const nodes = new Map(
    series
      .filter(({ target }) => target.refId === 'nodes')
      .map(({ labels, points }) => [labels.id ?? '', lastOf(points)]),
  );
  const places = placeNodes([...nodes.keys()], edges, { width, height });
  const arrows = edges.map((edge) => drawEdge(edge, places, unit)).join('');
  const circles = Array.from(nodes, ([name, value]) => {
    const { x, y } = places.get(name) ?? { x: 0, y: 0 };
    return (
      `<circle cx="${x}" cy="${y}" r="${RADIUS}" fill="#181b1f" stroke="#73bf69" stroke-width="3"/>` +
      `<text x="${x}" y="${y + 4}" text-anchor="middle" class="axis">${formatValue(value, 'short')}</text>` +
      `<text x="${x}" y="${y + RADIUS + 15}" text-anchor="middle" class="node">${escapeHtml(name)}</text>`
    );
  }).join('');
  return `<svg width="${width}" height="${height}"><defs><marker id="end" orient="auto" markerWidth="7" markerHeight="7" refX="6" refY="3"><path d="M0 0L6 3L0 6z" fill="#8e8e8e"/></marker></defs>${arrows}${circles}</svg>`;
}

type Places = ReadonlyMap<string, { readonly x: number; readonly y: number }>;

/** In columns by how far from a caller that nobody calls; rounds of calls end somewhere. */
function placeNodes(names: readonly string[], edges: readonly Edge[], { width, height }: Size): Places {
  const depth = new Map(names.map((name) => [name, 0]));
  for (let round = 0; round < names.length; round++) {
    for (const { source, target } of edges) {
      const wanted = (depth.get(source) ?? 0) + 1;
      if (source !== target && wanted > (depth.get(target) ?? 0) && wanted < names.length)
        depth.set(target, wanted);
    }
  }
  const columns = [...Map.groupBy(names, (name) => depth.get(name) ?? 0)].sort(
    ([one], [other]) => one - other,
  );
  const places = new Map<string, { x: number; y: number }>();
  columns.forEach(([, column], i) => {
    column.forEach((name, j) => {
      const x = columns.length === 1 ? width / 2 : MARGIN + (i * (width - 2 * MARGIN)) / (columns.length - 1);
      places.set(name, { x, y: (height * (j + 1)) / (column.length + 1) });
    });
  });
  return places;
}

function drawEdge({ source, target, value }: Edge, places: Places, unit: string): string {
  const from = places.get(source);
  const to = places.get(target);
  if (from === undefined || to === undefined) return '';
  // A bow, since what is called over the head of another would hide behind it.
  const bow = (to.x - from.x) * BOW;
  const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 - bow };
  const length = Math.hypot(to.x - middle.x, to.y - middle.y) || 1;
  const end = {
    x: to.x - ((to.x - middle.x) * (RADIUS + 3)) / length,
    y: to.y - ((to.y - middle.y) * (RADIUS + 3)) / length,
  };
  return (
    `<path d="M${from.x} ${from.y}Q${middle.x} ${middle.y} ${end.x} ${end.y}" fill="none" stroke="#8e8e8e" stroke-width="1.5" marker-end="url(#end)"/>` +
    `<text x="${middle.x}" y="${middle.y + bow / 2 - 6}" text-anchor="middle" class="axis">${formatValue(value, unit)}</text>`
  );
}
