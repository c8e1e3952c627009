// Older releases of Node, from the npm packages that hold their binaries: what services run on that a sidecar stands in front of.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CACHE, installOnce } from './install.ts';

const run = promisify(execFile);
const INSTALL_TIMEOUT_MS = 170_000;

/** Path of the binary, installed when it is missing; `version` is exact. */
export async function findNodeRelease(version: string): Promise<string> {
  const name = `node-${process.platform}-${process.arch}`;
  const folder = join(CACHE, `node-${version}`);
  try {
    await installOnce(folder, async (target) => {
      await writeFile(join(target, 'package.json'), JSON.stringify({ dependencies: { [name]: version } }));
      // A folder of its own within the checkout is no workspace of it.
      const flags = [
        '--no-audit',
        '--no-fund',
        '--ignore-scripts',
        '--no-package-lock',
        '--workspaces=false',
      ];
      await run('npm', ['install', ...flags], { cwd: target, timeout: INSTALL_TIMEOUT_MS });
    });
  } catch (error) {
    throw new Error(
      `Node ${version} is missing and could not be installed: it comes from the npm package ${name}@${version}, ` +
        `which needs npm and access to a package registry. ${(error as Error).message}`,
    );
  }
  return join(folder, 'node_modules', name, 'bin/node');
}
