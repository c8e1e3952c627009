/**
 * Marks on every graph: what was deployed or configured just before things changed.
 */
import { AnnotationQueryBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import {
  aggregate,
  counterOf,
  gaugeOf,
  increase,
  type Query,
  type Selection,
  sum,
  times,
  where,
} from '../../alerts/src/promql.ts';
import { PROCESS_START_TIME } from '../../sidecar/src/observe/process-exposition.ts';
import { CONFIG_ACCEPTED, CONFIG_REJECTED } from '../../sidecar/src/observe/sidecar-exposition.ts';
import { RATE } from './promql.ts';
import { DATASOURCE } from './variables.ts';

/** Of the services that `selection` is about. */
export function changesOf(selection: Selection<never>): AnnotationQueryBuilder[] {
  const started = aggregate('max', gaugeOf(PROCESS_START_TIME, selection), ['service_name', 'instance']);
  const accepted = sum(increase(counterOf(CONFIG_ACCEPTED, selection), RATE), ['service_name']);
  const rejected = sum(increase(counterOf(CONFIG_REJECTED, selection), RATE), ['service_name']);
  return [
    mark('Starts', 'blue', times(started, 1_000), '{{service_name}} started ({{instance}})').useValueForTime(
      true,
    ),
    mark('Config changes', 'green', where(accepted, '>', 0), '{{service_name}} took over a config'),
    mark('Config refusals', 'red', where(rejected, '>', 0), '{{service_name}} refused a config'),
  ];
}

function mark(name: string, colour: string, query: Query, title: string): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name(name)
    .datasource(DATASOURCE)
    .enable(true)
    .iconColor(colour)
    .expr(query.text)
    .step('30s')
    .titleFormat(title)
    .tagKeys('service_name');
}
