// What Sloth makes of an objective, and what of it can be compared with ours.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import { findGoTool } from '../../test/parts/go-tools.ts';

export type Rule = { record?: string; alert?: string; expr: string; labels: Record<string, string> };
export type RuleFile = { groups: { rules: Rule[] }[] };

/** Two windows, the ratios of both of which have to be above the limit. */
export type BurnPair = { readonly windows: readonly string[]; readonly limit: number };

export async function runSloth(
  objective: number,
  error_query: string,
  total_query: string,
): Promise<RuleFile> {
  const sloth = await findGoTool('sloth');
  const folder = await mkdtemp(join(tmpdir(), 'tulle-sloth-'));
  try {
    const alerting = { name: 'Burns', page_alert: {}, ticket_alert: {} };
    const slo = { name: 'shop', objective, sli: { events: { error_query, total_query } }, alerting };
    const [input, output] = [join(folder, 'in.yaml'), join(folder, 'out.yaml')];
    await writeFile(input, stringify({ version: 'prometheus/v1', service: 'shop', slos: [slo] }));
    await promisify(execFile)(sloth, ['generate', '-i', input, '-o', output]);
    return parse(await readFile(output, 'utf8'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export function rulesOf(file: RuleFile, record: string): Rule[] {
  return file.groups.flatMap(({ rules }) => rules).filter((rule) => rule.record?.startsWith(record));
}

export function burnsOf(file: RuleFile, isMeant: (rule: Rule) => boolean): BurnPair[] {
  const rule = file.groups.flatMap(({ rules }) => rules).find((rule) => rule.alert && isMeant(rule));
  return (rule?.expr ?? '').split(/\bor\b/).map((pair) => {
    const parts = pair.matchAll(/(?:ratio_rate(\w+)\{|window="(\w+)")[^>]*> \(?([\d.]+)(?: \* ([\d.]+))?/g);
    const found = Array.from(parts, ([, theirs, ours, limit, factor = '1']) => ({
      window: theirs ?? ours ?? '',
      limit: Number(limit) * Number(factor),
    }));
    const limits = new Set(found.map(({ limit }) => limit));
    if (limits.size !== 1) throw new Error(`not one limit: ${pair}`);
    return { windows: found.map(({ window }) => window).sort(), limit: [...limits][0] as number };
  });
}

/** Without the spaces and parentheses that say nothing. */
export function bare(expr: string): string {
  const tight = expr.replaceAll(/\s/g, '');
  return tight.replaceAll(/\((sum\(rate\(\w+\{[^}]*\}\[\w+\]\)\))\)/g, '$1');
}
