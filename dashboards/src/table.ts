/**
 * Panels that put several queries side by side: a table with a row for each combination of labels, and a graph of who calls whom.
 */
import { TableSortByFieldStateBuilder } from '@grafana/grafana-foundation-sdk/common';
import type { DataTransformerConfig, Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import * as nodegraph from '@grafana/grafana-foundation-sdk/nodegraph';
import { PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import * as table from '@grafana/grafana-foundation-sdk/table';
import type { Query } from '../../alerts/src/promql.ts';
import { line } from './line.ts';
import { begin, type PanelSpec, refId, target } from './panel.ts';
import { relabel } from './promql.ts';
import type { Thresholds } from './thresholds.ts';

export interface TableSpec<Label extends string> extends Omit<PanelSpec, 'unit' | 'thresholds'> {
  /** Labels that make a row, with the heads of their columns. */
  readonly rows: Readonly<Record<Label, string>>;
  readonly columns: readonly Column<NoInfer<Label>>[];
}

export interface Column<Label extends string> {
  readonly head: string;
  readonly unit: string;
  readonly query: Query<Label>;
  readonly thresholds?: Thresholds;
}

/** Sorted by its first column of values, the largest first. */
export function valueTable<Label extends string>(spec: TableSpec<Label>): Panel {
  const { rows, columns } = spec;
  const heads: Record<string, string> = { ...rows };
  // Grafana names the values of one query alone without its letter.
  const fieldOf = (i: number) => (columns.length === 1 ? 'Value' : `Value #${refId(i)}`);
  columns.forEach(({ head }, i) => {
    heads[fieldOf(i)] = head;
  });
  const order = Object.fromEntries(Object.keys(heads).map((name, i) => [name, i]));
  const panel = begin(new table.PanelBuilder(), {
    width: 12,
    height: 8,
    unit: columns[0]?.unit ?? 'short',
    ...spec,
  })
    .targets(
      columns.map(({ query, head }, i) =>
        target(line(query, head), i).instant().format(PromQueryFormat.Table),
      ),
    )
    .transformations([
      transformation('merge', {}),
      transformation('organize', {
        excludeByName: { Time: true },
        renameByName: heads,
        indexByName: order,
      }),
    ])
    .sortBy([new TableSortByFieldStateBuilder().displayName(columns[0]?.head ?? '').desc(true)]);
  for (const { head, unit, thresholds } of columns) {
    panel.overrideByName(head, [
      { id: 'unit', value: unit },
      ...(thresholds === undefined
        ? []
        : [
            { id: 'thresholds', value: { mode: 'absolute', steps: thresholds } },
            { id: 'custom.cellOptions', value: { type: 'color-text' } },
          ]),
    ]);
  }
  return panel.build();
}

export interface GraphSpec extends PanelSpec {
  /** What goes from where to where. */
  readonly edges: Query<'source' | 'target'>;
  /** What comes to each, sources included. */
  readonly nodes: Query<'node'>;
}

/** Who calls whom. */
export function graph(spec: GraphSpec): Panel {
  const { edges, nodes, unit } = spec;
  const instant = (query: string, name: string) =>
    target({ expression: query, legend: name }, 0).refId(name).instant().format(PromQueryFormat.Table);
  return begin(new nodegraph.PanelBuilder(), { width: 12, height: 12, ...spec })
    .nodes(new nodegraph.NodeOptionsBuilder().mainStatUnit(unit))
    .edges(new nodegraph.EdgeOptionsBuilder().mainStatUnit(unit))
    .targets([
      instant(
        relabel(relabel(nodes, { from: 'node', to: 'id' }), { from: 'node', to: 'title' }).text,
        'nodes',
      ),
      instant(`label_join(${edges.text}, "id", " > ", "source", "target")`, 'edges'),
    ])
    .transformations([
      transformation('organize', {
        excludeByName: { Time: true, node: true },
        renameByName: { 'Value #nodes': 'mainstat', 'Value #edges': 'mainstat' },
      }),
    ])
    .build();
}

function transformation(id: string, options: object): DataTransformerConfig {
  return { id, options };
}
