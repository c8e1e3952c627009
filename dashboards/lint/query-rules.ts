/**
 * Rules about queries.
 */
import { ALL_METRICS } from '../../sidecar/generate/metrics.ts';
import { panelsOf, type Target, targetsOf } from '../panels.ts';
import type { DashboardRule } from './finding.ts';

const COUNTERS = new Set(ALL_METRICS.filter(({ type }) => type === 'counter').map(({ name }) => name));
const HISTOGRAMS = new Set(ALL_METRICS.filter(({ type }) => type === 'histogram').map(({ name }) => name));

/** Of processes that serve all namespaces. */
const OF_THE_MESH = /^(tulle_(authority|control|secrets)_|tulle:)/;
/** Of targets, which may be no services. */
const OF_TARGETS = /^(up$|scrape_)/;

/** The name of a metric and its matchers. */
const SELECTOR = /\b([a-z][a-z_0-9:]*)(\{[^}]*\})?/g;

interface Selector {
  /** The function that it is the argument of; empty for none. */
  readonly within: string;
  readonly metric: string;
  readonly matchers: string;
}

export const QUERY_RULES: readonly DashboardRule[] = [
  queryRule('rate-interval', ({ expr }) => {
    const fixed = [...expr.matchAll(/\[([^\]]+)\]/g)].find(([, range]) => range !== '$__rate_interval');
    return fixed === undefined ? null : `looks at [${fixed[1]}] and not at [$__rate_interval]`;
  }),
  queryRule('counter-rated', ({ expr }) => {
    const bare = selectorsOf(expr).find(
      ({ metric, within }) => isCounted(metric) && !/^(rate|increase)$/.test(within),
    );
    return bare === undefined ? null : `reads ${bare.metric} without rate or increase`;
  }),
  queryRule('gauge-not-rated', ({ expr }) => {
    const rated = selectorsOf(expr).find(
      ({ metric, within }) => !isCounted(metric) && /^(rate|increase)$/.test(within),
    );
    return rated === undefined ? null : `takes the rate of ${rated.metric}, which is no counter`;
  }),
  queryRule('scope-selected', ({ expr }, variables) => {
    for (const { metric, matchers } of selectorsOf(expr)) {
      if (OF_THE_MESH.test(metric)) continue;
      if (variables.has('namespace') && !matchers.includes('namespace=~"$namespace"'))
        return `reads ${metric} of all namespaces`;
      if (
        variables.has('service') &&
        !OF_TARGETS.test(metric) &&
        !matchers.includes('service_name=~"$service"')
      )
        return `reads ${metric} of all services`;
    }
    return null;
  }),
  queryRule('instant-or-range', ({ instant, range }) =>
    instant === range ? 'is neither for an instant nor for a range' : null,
  ),
  queryRule('exemplar-of-histogram', ({ expr, exemplar }) =>
    exemplar === true && !expr.includes('_bucket') ? 'shows exemplars, which only buckets have' : null,
  ),
];

function queryRule(
  name: string,
  problemOf: (target: Target, variables: ReadonlySet<string>) => string | null,
): DashboardRule {
  return {
    name,
    *check(dashboard) {
      const variables = new Set((dashboard.templating.list ?? []).map((variable) => variable.name));
      for (const panel of panelsOf(dashboard)) {
        for (const target of targetsOf(panel)) {
          const problem = problemOf(target, variables);
          if (problem !== null) yield { where: `${panel.title} ${target.refId}`, problem };
        }
      }
    },
  };
}

/** Metrics of ours and of Prometheus; other words of a query are functions and labels. */
function selectorsOf(expr: string): Selector[] {
  return Array.from(expr.matchAll(SELECTOR), ({ index, 1: metric = '', 2: matchers = '' }) => {
    const [, within = ''] = /(\w+)\($/.exec(expr.slice(0, index)) ?? [];
    return { within, metric, matchers };
  }).filter(({ metric, matchers }) => matchers !== '' || isKnown(metric) || OF_TARGETS.test(metric));
}

function isKnown(metric: string): boolean {
  return isCounted(metric) || ALL_METRICS.some(({ name }) => name === metric);
}

/** Counters, and what histograms count. */
function isCounted(metric: string): boolean {
  return COUNTERS.has(metric) || HISTOGRAMS.has(metric.replace(/_(bucket|sum|count)$/, ''));
}
