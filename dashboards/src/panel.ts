/**
 * The kinds of panels that the dashboards are made of, each with what an operator expects of it: what it says in its description, a unit, a legend that
 * names every series, colours where a value is good or bad.
 *
 * Invariant: every panel has title, description and unit, and asks the datasource that the reader has chosen.
 */
import * as bargauge from '@grafana/grafana-foundation-sdk/bargauge';
import {
  type BarGaugeDisplayMode,
  BigValueColorMode,
  BigValueGraphMode,
  GraphDrawStyle,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizOrientation,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  type DashboardLinkBuilder,
  FieldColorBuilder,
  FieldColorModeId,
  type Panel,
} from '@grafana/grafana-foundation-sdk/dashboard';
import * as heatmap from '@grafana/grafana-foundation-sdk/heatmap';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';
import type { Query } from '../../alerts/src/promql.ts';
import { type Line, line } from './line.ts';
import { NEUTRAL, type Thresholds, thresholdsOf } from './thresholds.ts';
import { DATASOURCE } from './variables.ts';

export interface PanelSpec {
  readonly title: string;
  /** What it shows, and what it means when it is not as usual. */
  readonly description: string;
  /** Of Grafana's. */
  readonly unit: string;
  /** Of 24. */
  readonly width?: number;
  readonly height?: number;
  readonly thresholds?: Thresholds;
  /** From a value to more about it. */
  readonly links?: readonly DashboardLinkBuilder[];
}

export interface TimeSeriesSpec extends PanelSpec {
  readonly lines: readonly Line[];
  /** Series add up to a whole. */
  readonly stacked?: boolean;
  /** Traces of single requests, of histograms alone. */
  readonly exemplars?: boolean;
  readonly max?: number;
  /** Values may be below zero. */
  readonly signed?: boolean;
}

/** How something went over time. */
export function timeSeries(spec: TimeSeriesSpec): Panel {
  const { lines, stacked = false, exemplars = false, signed = false, thresholds, max } = spec;
  const panel = begin(new timeseries.PanelBuilder(), { width: 8, height: 8, ...spec })
    .drawStyle(GraphDrawStyle.Line)
    .lineWidth(1)
    .fillOpacity(stacked ? 30 : 8)
    .showPoints(VisibilityMode.Never)
    .spanNulls(false)
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassicByName))
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.Table)
        .placement(LegendPlacement.Bottom)
        .showLegend(true)
        .calcs(['lastNotNull', 'max']),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
    .targets(lines.map((each, i) => target(each, i).range().exemplar(exemplars)));
  if (!signed) panel.min(0);
  if (stacked) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'));
  if (thresholds !== undefined)
    panel
      .thresholds(thresholdsOf(thresholds))
      .thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed));
  if (max !== undefined) panel.max(max);
  return panel.build();
}

export interface StatSpec extends PanelSpec {
  readonly query: Query;
  /** Digits behind the point. */
  readonly decimals?: number;
  /** Instead of a value that is not there. */
  readonly without?: string;
}

/** One number, and how it came to it. */
export function singleStat(spec: StatSpec): Panel {
  return begin(new stat.PanelBuilder(), { width: 4, height: 4, ...spec })
    .thresholds(thresholdsOf(spec.thresholds ?? NEUTRAL))
    .colorMode(BigValueColorMode.Value)
    .graphMode(BigValueGraphMode.Area)
    .noValue(spec.without ?? '–')
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .targets([target(line(spec.query, spec.title), 0).range()])
    .build();
}

export interface BarsSpec extends PanelSpec {
  readonly lines: readonly Line[];
}

/** Which is the largest now. */
export function bars(spec: BarsSpec): Panel {
  return begin(new bargauge.PanelBuilder(), { width: 8, height: 8, ...spec })
    .min(0)
    .orientation(VizOrientation.Horizontal)
    .displayMode('basic' as BarGaugeDisplayMode)
    .thresholds(thresholdsOf(spec.thresholds ?? NEUTRAL))
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .targets(spec.lines.map((each, i) => target(each, i).instant()))
    .build();
}

export interface HeatmapSpec extends PanelSpec {
  /** Rates of buckets, by `le`. */
  readonly buckets: Query<'le'>;
}

/** How many took how long. */
export function heatMap(spec: HeatmapSpec): Panel {
  return begin(new heatmap.PanelBuilder(), { width: 8, height: 8, ...spec })
    .calculate(false)
    .yAxis(new heatmap.YAxisConfigBuilder().unit(spec.unit))
    .color(new heatmap.HeatmapColorOptionsBuilder().scheme('Oranges').steps(64))
    .cellGap(1)
    .targets([
      target(
        line(spec.buckets, ({ le }) => le),
        0,
      )
        .range()
        .exemplar(true)
        .format(PromQueryFormat.Heatmap),
    ])
    .build();
}

interface CommonBuilder {
  title(title: string): this;
  description(description: string): this;
  datasource(datasource: { type: string; uid: string }): this;
  gridPos(position: { x: number; y: number; w: number; h: number }): this;
  unit(unit: string): this;
  dataLinks(links: DashboardLinkBuilder[]): this;
}

/** What all kinds have. */
export function begin<Builder extends CommonBuilder>(
  builder: Builder,
  { title, description, unit, width, height, links }: PanelSpec & { width: number; height: number },
): Builder {
  builder
    .title(title)
    .description(description)
    .datasource(DATASOURCE)
    .unit(unit)
    .gridPos({ x: 0, y: 0, w: width, h: height });
  if (links !== undefined) builder.dataLinks([...links]);
  return builder;
}

export function target({ expression, legend }: Line, index: number): DataqueryBuilder {
  return new DataqueryBuilder()
    .datasource(DATASOURCE)
    .refId(refId(index))
    .expr(expression)
    .legendFormat(legend);
}

/** A, B, C: how the queries of a panel are told apart. */
export function refId(index: number): string {
  return String.fromCharCode(65 + index);
}
