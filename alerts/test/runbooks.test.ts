/**
 * Whoever is woken up finds a runbook that helps: every section is there, every query works and every command exists.
 */
import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { type Command, readArguments } from '../../mesh/cli/command.ts';
import { explain } from '../../mesh/cli/explain/command.ts';
import { logs } from '../../mesh/cli/logs/command.ts';
import { tap } from '../../mesh/cli/tap/command.ts';
import { top } from '../../mesh/cli/top/command.ts';
import { ALL_METRICS } from '../../sidecar/generate/metrics.ts';
import { declarationsOf } from '../../sidecar/src/observe/metric.ts';
import { groupFiles, readAlertData } from '../src/files.ts';
import * as scrapeMetrics from '../src/scrape-metrics.ts';
import * as sloMetrics from '../src/slo-metrics.ts';
import { checkRules } from './promtool.ts';

const FOLDER = new URL('../runbooks/', import.meta.url);
const SECTIONS = ['Meaning', 'Impact', 'Diagnosis', 'Mitigation'];
const COMMANDS: ReadonlyMap<string, Command> = new Map(
  [explain, top, tap, logs].map((command) => [command.name, command]),
);
/** Of Prometheus itself, which is no part of ours. */
const PROMETHEUS_OWN = /^prometheus_/;

const groups = [...groupFiles(await readAlertData()).values()].flat();
const alerts = groups.flatMap(({ alerts }) => alerts);
const names = [...new Set(alerts.map(({ name }) => name))];
const metrics = new Set(
  [...ALL_METRICS, ...declarationsOf(sloMetrics, scrapeMetrics)].flatMap(({ name, type }) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  ),
);

test('every alert has one, and there is none without an alert', async () => {
  const files = (await readdir(FOLDER)).filter((file) => file !== 'README.md');
  expect(files.sort()).toEqual(names.map((name) => `${name}.md`).sort());
});

describe.each(names)('%s', (name) => {
  const read = () => readFile(new URL(`${name}.md`, FOLDER), 'utf8');

  test('says what it means, what it does, how to look and what to do', async () => {
    const text = await read();
    expect(
      text.startsWith(`# ${name}\n\nSeverity: ${alerts.find((alert) => alert.name === name)?.severity}`),
    ).toBe(true);
    const sections = [...text.matchAll(/^## (.*)\n\n(.*)/gm)];
    expect(sections.map(([, title]) => title)).toEqual(SECTIONS);
    for (const [, , first = ''] of sections) expect(first.length).toBeGreaterThan(5);
  });

  test('its queries are of metrics that exist, and Prometheus can read them', async () => {
    const queries = [...(await read()).matchAll(/```promql\n([\s\S]*?)```/g)].map(([, query = '']) =>
      query.trim(),
    );
    expect(queries).not.toHaveLength(0);
    const rules = queries.map((expr, at) => ({ record: `query:${at}`, expr }));
    const { output } = await checkRules({ groups: [{ name: 'queries', rules }] });
    expect(output).toContain(`${queries.length} rules found`);
    const named = queries.flatMap(
      (query) => query.replaceAll(/"[^"]*"/g, '').match(/\b[a-z]+[_:][a-z_:]+\b(?!\s*[(=!])/g) ?? [],
    );
    const labels = new Set([...ALL_METRICS].flatMap((metric) => metric.labels).concat('service_name'));
    const strange = named.filter(
      (word) => !metrics.has(word) && !labels.has(word) && !PROMETHEUS_OWN.test(word),
    );
    expect(strange).toEqual([]);
  });

  test('its commands of tulle exist, with their options', async () => {
    for (const [, name = '', rest = ''] of (await read()).matchAll(/npx tulle (\w+) ?([^`\n]*)/g)) {
      const command = COMMANDS.get(name);
      expect(command, `tulle ${name}`).toBeDefined();
      // Ids have spaces in their names alone.
      const args = rest
        .replaceAll(/<[^>]*>/g, 'id')
        .split(' ')
        .filter((arg) => arg !== '');
      expect(() => readArguments(command as Command, args)).not.toThrow();
    }
  });

  test('its links lead to other runbooks', async () => {
    for (const [, target = ''] of (await read()).matchAll(/\]\((\w+)\.md\)/g))
      expect(names).toContain(target);
  });
});
