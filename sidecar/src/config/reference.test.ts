import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { parseConfig } from './load.ts';
import { sidecarDocument } from './schema.ts';

type Key = { path: string; default: string | null };

/** Every key of the schema, with its default as the reference writes it. */
function listKeys(schema: z.core.$ZodType, path: string): Key[] {
  if (schema instanceof z.ZodOptional) return listKeys(schema.unwrap(), path);
  if (schema instanceof z.ZodPrefault) return listKeys(schema.unwrap(), path);
  if (schema instanceof z.ZodDefault) {
    const inner = listKeys(schema.unwrap(), path).filter((key) => key.path !== path);
    const value = schema.def.defaultValue;
    return [{ path, default: typeof value === 'object' ? JSON.stringify(value) : String(value) }, ...inner];
  }
  if (schema instanceof z.ZodArray) {
    return [
      { path, default: null },
      ...listKeys(schema.element, `${path}[]`).filter((key) => key.path !== `${path}[]`),
    ];
  }
  if (!(schema instanceof z.ZodObject)) return [{ path, default: null }];
  const children = Object.entries<z.core.$ZodType>(schema.shape).flatMap(([key, child]) =>
    listKeys(child, path === '' ? key : `${path}.${key}`),
  );
  return path === '' ? children : [{ path, default: null }, ...children];
}

test('the reference has a row for each key and no other, with the default of the schema', async () => {
  const text = await readFile(new URL('README.md', import.meta.url), 'utf8');
  const rows = new Map(
    [...text.matchAll(/^\| `((?:apiVersion|kind|metadata|spec)[^`]*)` *\|[^|]*\|([^|]*)\|/gm)].map(
      ([, path = '', value = '']) => [path, value.trim()],
    ),
  );
  const keys = listKeys(sidecarDocument, '').filter(({ path }) => path !== 'metadata' && path !== 'spec');
  expect([...rows.keys()].sort()).toEqual(keys.map(({ path }) => path).sort());
  for (const { path, default: value } of keys) {
    if (value !== null) expect(rows.get(path), path).toBe(`\`${value}\``);
  }
});

test.each(['README.md', '../../../README.md'])('the examples of %s make a valid config', async (file) => {
  const text = await readFile(new URL(file, import.meta.url), 'utf8');
  const examples = [...text.matchAll(/```yaml\n(apiVersion[\s\S]*?)```/g)].map(([, example = '']) => example);
  expect(parseConfig([{ file, text: examples.join('---\n') }], '/')).toMatchObject({
    ok: true,
    warnings: [],
  });
});
