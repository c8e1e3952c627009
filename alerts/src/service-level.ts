/**
 * From a ServiceLevel to rules: what is recorded of it, and multi-window, multi-burn-rate alerts (Google, The Site Reliability Workbook,
 * chapter 5; Sloth makes the same of the same objective, and a test compares the two).
 */
import type { ServiceLevelDocument } from '../../sidecar/src/config/service-level.ts';
import {
  HTTP_SERVER_REQUEST_DURATION,
  RPC_SERVER_CALL_DURATION,
} from '../../sidecar/src/observe/request-exposition.ts';
import {
  aggregate,
  and,
  bucketsOf,
  type Counter,
  constant,
  countOf,
  divide,
  gaugeOf,
  type Match,
  minus,
  or,
  overTime,
  type Query,
  rate,
  remainderOf,
  sum,
  type Window,
  where,
} from './promql.ts';
import { type Alert, defineAlert, type Group, type Recording } from './rule.ts';
import { SERVICE_FAULTS } from './service-faults.ts';
import {
  SLO_BUDGET_REMAINING,
  SLO_ERROR_RATE,
  SLO_ERROR_RATIO,
  SLO_OBJECTIVE,
  SLO_REQUEST_RATE,
} from './slo-metrics.ts';
import { type BurnAlert, type Windows, windowsOf } from './windows.ts';

export interface ServiceLevel {
  readonly name: string;
  readonly spec: ServiceLevelDocument['spec'];
}

/** The alerts that a level has; each looks at all series that bear its name. */
export const BURNS = { page: 'ErrorBudgetBurnsFast', ticket: 'ErrorBudgetBurnsSlowly' } as const;

export function toGroup(level: ServiceLevel, windows: Windows): Group {
  return {
    name: `slo-${level.name}`,
    recordings: recordingsOf(level, windows),
    alerts: [burnAlert(level, 'page', windows.page), burnAlert(level, 'ticket', windows.ticket)],
  };
}

/** Share of requests that may be bad. */
function budgetOf({ spec }: ServiceLevel): number {
  // Of 100 - 99.9 only as many digits as the objective has.
  return Number(((100 - spec.objective) / 100).toFixed(6));
}

function recordingsOf(level: ServiceLevel, windows: Windows): Recording[] {
  const { name: slo, spec } = level;
  const labels = { slo, service_name: spec.service, team: spec.team };
  const [shortest = '5m', ...longer] = windowsOf(windows);
  const ratios = [shortest, ...longer].map((window) => ({
    metric: SLO_ERROR_RATIO,
    expression: divide(errors(level, window), requests(level, window)),
    labels: { ...labels, window },
  }));
  const past = (metric: typeof SLO_ERROR_RATE | typeof SLO_REQUEST_RATE) =>
    overTime('sum', gaugeOf(metric, { slo }), windows.period);
  // Of sums, not of ratios: an hour of the night with few requests counts as few.
  const used = divide(sum(past(SLO_ERROR_RATE)), sum(past(SLO_REQUEST_RATE)));
  return [
    ...ratios,
    { metric: SLO_ERROR_RATE, expression: and(errors(level, shortest), requests(level, shortest)), labels },
    { metric: SLO_REQUEST_RATE, expression: requests(level, shortest), labels },
    { metric: SLO_OBJECTIVE, expression: constant(Number((1 - budgetOf(level)).toFixed(6))), labels },
    { metric: SLO_BUDGET_REMAINING, expression: remainderOf(divide(used, budgetOf(level))), labels },
  ];
}

function burnAlert(
  level: ServiceLevel,
  severity: 'page' | 'ticket',
  { for: holds, windows }: BurnAlert,
): Alert {
  const budget = budgetOf(level);
  const { objective, indicator } = level.spec;
  const burns = windows.map(({ factor, long, short }) => {
    const limit = Number((factor * budget).toFixed(8));
    if (limit >= 1) throw new Error(explainNever(level, severity, factor));
    return and(exceeds(level, long, limit), exceeds(level, short, limit));
  });
  const good =
    indicator.latency === undefined
      ? 'be answered without an error of its own'
      : `be answered within ${indicator.latency.thresholdMs} ms`;
  const spans = windows.map(({ factor, long, short }) => `${factor}x over ${long} and ${short}`);
  return defineAlert({
    name: BURNS[severity],
    severity,
    team: null,
    holds,
    labels: { slo: level.name },
    expression: burns.reduce(or),
    summary: ({ labels }) =>
      `${labels.service_name} misses ${labels.slo}: ${severity === 'page' ? 'its error budget is gone soon' : 'its error budget will not last'}`,
    description: ({ labels, percent }) =>
      `${objective} % of the requests to ${labels.service_name} are to ${good}; of those in the longer window ${percent} were not. ` +
      `The error budget burns faster than ${spans.join(', or ')}.`,
    dashboard: ({ labels }) => ({ name: 'slo', variables: { slo: labels.slo } }),
  });
}

/** The windows are gone, so that what is true of two pairs of them is one alert. */
function exceeds({ name: slo }: ServiceLevel, window: Window, limit: number) {
  const ratio = gaugeOf(SLO_ERROR_RATIO, { slo, window });
  return aggregate('max', where(ratio, '>', limit), ['slo', 'service_name', 'team']);
}

function explainNever({ name, spec }: ServiceLevel, severity: string, factor: number): string {
  const lowest = (100 - 100 / factor).toFixed(2);
  return (
    `ServiceLevel ${name}: an objective of ${spec.objective} % can never burn at ${factor}x, so that no ${severity} would come: ` +
    `write one above ${lowest}, or another factor in windows.yaml`
  );
}

function errors({ spec }: ServiceLevel, window: Window): Query<never> {
  const { indicator } = spec;
  if (indicator.latency === undefined) {
    const faults = sum(rate(count(spec, SERVICE_FAULTS[spec.protocol]), window));
    // The first error makes the first series of errors: until then there are none of them, and not no answer.
    return or(faults, constant(0));
  }
  const inTime = sum(rate(within(spec, indicator.latency.thresholdMs), window));
  return minus(sum(rate(count(spec, ''), window)), inTime);
}

/** Those that are judged: of a latency only what was answered well. */
function requests({ spec }: ServiceLevel, window: Window): Query<never> {
  const errorType = spec.indicator.latency === undefined ? undefined : '';
  return sum(rate(count(spec, errorType), window));
}

function count({ service, route, protocol }: ServiceLevel['spec'], error_type: Match | undefined): Counter {
  const selection = { service_name: service, http_route: route, error_type };
  return protocol === 'http'
    ? countOf(HTTP_SERVER_REQUEST_DURATION, selection)
    : countOf(RPC_SERVER_CALL_DURATION, selection);
}

function within({ service, route, protocol }: ServiceLevel['spec'], thresholdMs: number): Counter {
  const selection = {
    service_name: service,
    http_route: route,
    error_type: '',
    le: String(thresholdMs / 1_000),
  };
  return protocol === 'http'
    ? bucketsOf(HTTP_SERVER_REQUEST_DURATION, selection)
    : bucketsOf(RPC_SERVER_CALL_DURATION, selection);
}
