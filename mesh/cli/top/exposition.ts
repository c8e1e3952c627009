/**
 * Reads metrics in the text format of Prometheus (version 0.0.4, https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * Invariant: all of it is read or none: a line that is no comment and no sample is an error that names it.
 */

export type Sample = {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
};

/** Throws an Error that tells the line. */
export function parseExposition(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const sample = parseSample(line);
    if (sample === null)
      throw new Error(`line ${index + 1} is no sample: ${JSON.stringify(line.slice(0, 80))}`);
    samples.push(sample);
  }
  return samples;
}

/** Name, labels, value, and a time in milliseconds that nobody here needs. */
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?[ \t]+([^ \t]+)(?:[ \t]+-?\d+)?$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;
const NUMBER = /^[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)$/;
const SPECIAL: ReadonlyMap<string, number> = new Map([
  ['+Inf', Number.POSITIVE_INFINITY],
  ['-Inf', Number.NEGATIVE_INFINITY],
  ['NaN', Number.NaN],
  // As prom-client writes it.
  ['Nan', Number.NaN],
]);

function parseSample(line: string): Sample | null {
  const [, name, inBraces = '', number = ''] = SAMPLE.exec(line) ?? [];
  if (name === undefined) return null;
  const labels = parseLabels(inBraces);
  const value = SPECIAL.get(number) ?? (NUMBER.test(number) ? Number(number) : null);
  return labels === null || value === null ? null : { name, labels, value };
}

function parseLabels(inBraces: string): Map<string, string> | null {
  const labels = new Map<string, string>();
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < inBraces.length) {
    const [, name, value] = LABEL.exec(inBraces) ?? [];
    if (name === undefined || value === undefined || labels.has(name)) return null;
    labels.set(
      name,
      value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped)),
    );
  }
  return labels;
}
