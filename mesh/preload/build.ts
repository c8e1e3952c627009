/**
 * `npm run build`: the preload as one file, `mesh/preload/dist/preload.mjs`, for every Node since 20, which can't read TypeScript.
 *
 * Invariants: the file appears whole or not at all, so that builds may run side by side; it needs nothing beside it.
 */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rolldown } from 'rolldown';

const FOLDER = join(import.meta.dirname, 'dist');

/** Settles with the path of the file. */
export async function buildPreload(): Promise<string> {
  const bundle = await rolldown({ input: join(import.meta.dirname, 'main.ts'), platform: 'node' });
  const { output } = await bundle.generate({ format: 'esm', codeSplitting: false });
  await bundle.close();
  const [{ code, imports }] = output;
  const foreign = imports.filter((name) => !name.startsWith('node:'));
  if (foreign.length > 0) throw new Error(`the preload must need no package, but needs ${foreign}`);
  await mkdir(FOLDER, { recursive: true });
  const path = join(FOLDER, 'preload.mjs');
  const unfinished = `${path}.${process.pid}`;
  await writeFile(unfinished, code);
  await rename(unfinished, path);
  return path;
}

if (import.meta.main) process.stdout.write(`${await buildPreload()}\n`);
