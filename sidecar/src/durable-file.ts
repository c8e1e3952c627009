/**
 * Small files that must survive a crash: each is whole or not there, and on disk when the promise settles. For the owner alone.
 */
import { link, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Takes the place of what was there. */
export async function replaceFile(path: string, text: string): Promise<void> {
  await write(path, text, rename);
}

/** False, and nothing changed, when there is a file already: of two who create the same, one succeeds. */
export async function createFile(path: string, text: string): Promise<boolean> {
  try {
    await write(path, text, link);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function write(
  path: string,
  text: string,
  place: (temporary: string, path: string) => Promise<void>,
): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    // Exclusively, so that no link someone left there is written through.
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await place(temporary, path);
    await syncFolder(folder);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** The name of a file is part of its folder, which is written later than the file unless asked to. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
