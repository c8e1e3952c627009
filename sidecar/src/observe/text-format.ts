/**
 * Metrics in the text formats of Prometheus (0.0.4) and of OpenMetrics (1.0.0), which has exemplars. prom-client would write all of it in one go, and
 * every request would wait for that; here it comes in slices.
 *
 * Invariants: a slice is a little more than `scrapeSliceChars` at most; a histogram's samples are of one moment, whatever happens between slices.
 */
import { Registry } from 'prom-client';
import { type Described, familiesOf, type Labels, type Sample, samplesOf } from './family.ts';
import { OBSERVE_LIMITS } from './limits.ts';

export interface TextFormat {
  readonly contentType: string;
  readonly openMetrics: boolean;
}

const PROMETHEUS: TextFormat = { contentType: Registry.PROMETHEUS_CONTENT_TYPE, openMetrics: false };
const OPEN_METRICS: TextFormat = { contentType: Registry.OPENMETRICS_CONTENT_TYPE, openMetrics: true };

/** OpenMetrics for those who accept it. */
export function textFormatFor(accept: string): TextFormat {
  return accept.includes('application/openmetrics-text') ? OPEN_METRICS : PROMETHEUS;
}

/** `common` are labels of every sample. */
export async function* writeText(
  registry: Registry,
  { openMetrics }: TextFormat,
  common: Labels,
): AsyncGenerator<string> {
  const lines = new Lines(openMetrics, common);
  let text = '';
  for (const metric of familiesOf(registry)) {
    text += lines.head(metric);
    for (const sample of await samplesOf(metric)) {
      text += lines.of(sample);
      if (text.length < OBSERVE_LIMITS.scrapeSliceChars) continue;
      yield text;
      text = '';
    }
  }
  yield openMetrics ? `${text}# EOF\n` : text;
}

class Lines {
  private readonly openMetrics: boolean;
  private readonly common: string;
  private sampleName = '';
  private shared: Labels = {};
  private sharedText = '';

  constructor(openMetrics: boolean, common: Labels) {
    this.openMetrics = openMetrics;
    this.common = textOf(common);
  }

  head({ name, help, type }: Described): string {
    // In OpenMetrics a counter is called without `_total`, and its samples with it.
    const counter = this.openMetrics && type === 'counter';
    const family = counter ? name.replace(/_total$/, '') : name;
    this.sampleName = counter ? `${family}_total` : name;
    return `# HELP ${family} ${escapeHelp(help)}\n# TYPE ${family} ${type}\n`;
  }

  of({ metricName = this.sampleName, labels, sharedLabels, value, exemplar }: Sample): string {
    let text = this.common;
    if (sharedLabels !== undefined) {
      // All samples of a histogram have the same.
      if (sharedLabels !== this.shared) {
        this.shared = sharedLabels;
        this.sharedText = textOf(sharedLabels);
      }
      text = join(text, this.sharedText);
    }
    text = join(text, textOf(labels));
    const line = `${metricName}${text === '' ? '' : `{${text}}`} ${numberOf(value)}`;
    if (!exemplar || !this.openMetrics) return `${line}\n`;
    return `${line} # {${textOf(exemplar.labelSet)}} ${numberOf(exemplar.value)} ${exemplar.timestamp}\n`;
  }
}

function join(a: string, b: string): string {
  return a === '' || b === '' ? a + b : `${a},${b}`;
}

function textOf(labels: Labels): string {
  let text = '';
  for (const name in labels) {
    if (text !== '') text += ',';
    text += `${name}="${escapeValue(String(labels[name]))}"`;
  }
  return text;
}

function escapeValue(text: string): string {
  return /[\\\n"]/.test(text) ? escapeHelp(text).replaceAll('"', '\\"') : text;
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function numberOf(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
