/**
 * Writes what is derived from the schemas of the config, the failures and the metrics into docs/generated: `node main.ts`. With `--check` it writes nothing and ends with
 * status 1 when a file is not what it would be.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { renderFailures } from './failures.ts';
import { buildJsonSchemas, combine } from './json-schemas.ts';
import { renderMetrics } from './metrics.ts';
import { renderReference } from './reference.ts';

const FOLDER = new URL('../../docs/generated/', import.meta.url);

const wanted = generate();
const present = new Map<string, string>();
await mkdir(FOLDER, { recursive: true });
for (const name of await readdir(FOLDER)) present.set(name, await readFile(new URL(name, FOLDER), 'utf8'));

const names = new Set([...wanted.keys(), ...present.keys()]);
const stale = [...names].filter((name) => wanted.get(name) !== present.get(name)).sort();
if (process.argv.includes('--check')) {
  for (const name of stale)
    process.stderr.write(`docs/generated/${name}: is not up to date; run npm run generate\n`);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  for (const name of stale) {
    const text = wanted.get(name);
    if (text === undefined) await rm(new URL(name, FOLDER));
    else await writeFile(new URL(name, FOLDER), text);
  }
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
