/** The page of all metrics, for people who write dashboards and alerts. */
import * as authority from '../../mesh/ca/metrics.ts';
import * as control from '../../mesh/control/metrics.ts';
import * as secrets from '../../mesh/secrets/metrics.ts';
import * as embeddings from '../../services/ai-processor/metrics.ts';
import * as jobs from '../../services/lib/job-metrics.ts';
import * as webhooks from '../../services/webhook-dispatcher/metrics.ts';
import * as rateLimit from '../src/filters/rate-limit/metrics.ts';
import { PROCESS_METRICS, SIDECAR_METRICS } from '../src/observe/catalogue.ts';
import { declarationsOf, type MetricDeclaration } from '../src/observe/metric.ts';

const COMPONENTS: Readonly<Record<string, readonly MetricDeclaration[]>> = {
  Sidecar: SIDECAR_METRICS,
  'Certificate authority (mesh/ca)': declarationsOf(authority),
  'Control plane (mesh/control)': declarationsOf(control),
  'Secrets agent (mesh/secrets)': declarationsOf(secrets),
  'Rate limit service (mesh/ratelimit)': declarationsOf(rateLimit),
  'Services with job queues (services/lib)': declarationsOf(jobs),
  'Webhook dispatcher': declarationsOf(webhooks),
  'AI processor': declarationsOf(embeddings),
  'Every process': PROCESS_METRICS,
};

const INTRODUCTION = `# Metrics

Made by \`npm run generate\` from the declarations in the code; do not edit. Every sample also has \`service_name\`; one that has nothing to say for a
label lacks it. Names and labels are stable. The values of labels are bounded: what has no room is counted as \`_OTHER\`, or in a series with
\`otel_metric_overflow="true"\`. Histograms have \`_bucket\`, \`_sum\` and \`_count\`. Every process also has the other metrics of Node that prom-client knows.
`;

/** A metric that several components have stands here once. */
export const ALL_METRICS = [...new Set(Object.values(COMPONENTS).flat())];

export function renderMetrics(): string {
  const sections = Object.entries(COMPONENTS).flatMap(([component, declarations]) => [
    `## ${component}`,
    '',
    '| Metric | Type | Unit | Labels | Meaning |',
    '|---|---|---|---|---|',
    ...declarations.map(row),
    '',
  ]);
  return [INTRODUCTION, ...sections].join('\n');
}

function row({ name, type, unit, labels, help }: MetricDeclaration): string {
  return `| \`${name}\` | ${type} | ${unit ?? ''} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`;
}
