import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { ALL_METRICS } from './metrics.ts';

const ROOT = new URL('../../', import.meta.url);

/** Code that ships, by its path. */
async function readSources(): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  for (const workspace of ['sidecar', 'mesh', 'services']) {
    for (const path of await readdir(new URL(workspace, ROOT), { recursive: true })) {
      if (!path.endsWith('.ts') || /\.(test|fixture)\.ts$|node_modules/.test(path)) continue;
      sources.set(`${workspace}/${path}`, await readFile(new URL(`${workspace}/${path}`, ROOT), 'utf8'));
    }
  }
  return sources;
}

test('a name is declared once, and written nowhere else', async () => {
  const names = new Set(ALL_METRICS.map(({ name }) => name));
  const places = new Map<string, string[]>();
  for (const [path, source] of await readSources()) {
    for (const [word] of source.matchAll(/[a-z]\w+/g)) {
      if (names.has(word)) places.set(word, [...(places.get(word) ?? []), path]);
    }
  }
  expect(places.size).toBe(names.size);
  expect([...places].filter(([, paths]) => paths.length > 1)).toEqual([]);
});

test('names and labels are what Prometheus takes, and say type and unit', () => {
  for (const { name, type, labels, help } of ALL_METRICS) {
    expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
    if (type === 'counter') expect(name).toMatch(/_total$/);
    else expect(name).not.toMatch(/_(total|count|sum|bucket)$/);
    for (const label of labels) expect(label).toMatch(/^[a-z][a-z0-9_]*$/);
    expect(new Set(labels).size).toBe(labels.length);
    expect(help).toMatch(/^[A-Z].*\.$/);
  }
});
