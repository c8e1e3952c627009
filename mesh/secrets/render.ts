/**
 * Writes secrets as files, where and as Vault's Agent Injector does: `/vault/secrets/<name>`.
 *
 * Invariants: a file is there as a whole or not at all, with its mode from its first byte on, since another one that is complete takes its place; the folder is
 * in memory, so that no disk keeps a secret, unless the config allows otherwise.
 */
import { mkdir, open, readdir, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Secret } from './secret.ts';

export interface RenderFolder {
  readonly path: string;
  readonly requireMemory: boolean;
}

/** tmpfs and ramfs, as in linux/magic.h. */
const MEMORY_TYPES = new Set([0x01021994, 0x858458f6]);
const UNFINISHED = '.unfinished-';

/** Makes the folder where it is missing, and clears away what a process that died has left unfinished. */
export async function prepareFolder({ path, requireMemory }: RenderFolder): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o750 });
  const { type } = await statfs(path);
  if (requireMemory && !MEMORY_TYPES.has(type))
    throw new Error(
      `${path}: is not in memory (tmpfs), so a disk would keep the secrets; mount a tmpfs there (an emptyDir with \`medium: Memory\`), or set \`requireMemory: false\``,
    );
  for (const file of await readdir(path)) if (file.startsWith(UNFINISHED)) await rm(join(path, file));
}

/** @param mode 0o400 and the like. */
export async function renderFile(folder: string, name: string, secret: Secret, mode: number): Promise<void> {
  const unfinished = join(folder, `${UNFINISHED}${name}`);
  await rm(unfinished, { force: true });
  const file = await open(unfinished, 'wx', mode);
  try {
    await file.writeFile(secret.reveal());
    // Past the umask, which may have taken bits away.
    await file.chmod(mode);
  } finally {
    await file.close();
  }
  await rename(unfinished, join(folder, name));
}
