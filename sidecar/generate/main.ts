/**
 * Writes what is derived from the schemas of the config, the failures and the metrics into docs/generated, the rules of alerts into alerts/dist, and the
 * dashboards into dashboards/dist: `node main.ts`. With `--check` it writes nothing and ends with status 1 when a file is not what it would be.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { renderAlertFiles } from '../../alerts/src/files.ts';
import { renderDashboards } from '../../dashboards/src/index.ts';
import { renderFailures } from './failures.ts';
import { buildJsonSchemas, combine } from './json-schemas.ts';
import { renderMetrics } from './metrics.ts';
import { renderReference } from './reference.ts';

const FOLDERS = [
  { path: 'docs/generated/', wanted: generate() },
  { path: 'alerts/dist/', wanted: await renderAlertFiles() },
  { path: 'dashboards/dist/', wanted: renderDashboards() },
];

for (const { path, wanted } of FOLDERS) {
  const folder = new URL(`../../${path}`, import.meta.url);
  const present = new Map<string, string>();
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) present.set(name, await readFile(new URL(name, folder), 'utf8'));
  const names = new Set([...wanted.keys(), ...present.keys()]);
  const stale = [...names].filter((name) => wanted.get(name) !== present.get(name)).sort();
  for (const name of stale) await bringUpToDate(`${path}${name}`, new URL(name, folder), wanted.get(name));
}

async function bringUpToDate(name: string, file: URL, text: string | undefined): Promise<void> {
  if (process.argv.includes('--check')) {
    process.stderr.write(`${name}: is not up to date; run npm run generate\n`);
    process.exitCode = 1;
  } else if (text === undefined) await rm(file);
  else await writeFile(file, text);
}

/** The files by name. */
function generate(): ReadonlyMap<string, string> {
  const schemas = buildJsonSchemas();
  const files = new Map<string, string>();
  for (const [kind, schema] of schemas) files.set(`${kind.toLowerCase()}.schema.json`, toJson(schema));
  files.set('config.schema.json', toJson(combine([...files.keys()])));
  files.set('config-reference.md', renderReference(schemas));
  files.set('failures.md', renderFailures());
  files.set('metrics.md', renderMetrics());
  return files;
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
