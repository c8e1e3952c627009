// Chromium without a window, which draws pages: from PATH or from Debian's package, which is unpacked and not installed.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findInDebian, type Program } from './install.ts';

const PROGRAM = 'chromium-headless-shell';
const DRAW_TIMEOUT_MS = 60_000;

/** Draws a page that needs nothing but itself, as a PNG of that size in pixels. */
export async function drawPage(
  pagePath: string,
  pngPath: string,
  { width, height }: { width: number; height: number },
): Promise<void> {
  const { command, env } = await findChromium();
  const profile = await mkdtemp(join(tmpdir(), 'tulle-chromium-'));
  try {
    const options = [
      // It draws our own pages alone, and as root there is no sandbox.
      ...['--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--force-device-scale-factor=1'],
      ...[`--user-data-dir=${profile}`, `--window-size=${width},${height}`, `--screenshot=${pngPath}`],
    ];
    await promisify(execFile)(command, [...options, `file://${pagePath}`], {
      env: { ...process.env, ...env },
      timeout: DRAW_TIMEOUT_MS,
    });
  } finally {
    await rm(profile, { recursive: true, force: true });
  }
}

async function findChromium(): Promise<Program> {
  const { command, env } = await findInDebian({ part: 'Chromium', package: PROGRAM, program: PROGRAM });
  const { LD_LIBRARY_PATH: libraries } = env;
  if (libraries === undefined) return { command, env };
  // Unpacked, the command is a script that names a place where nothing is; and one library is where only an installed one is looked for.
  const audio = join(libraries.split(':')[0] as string, 'pulseaudio');
  return {
    command: join(dirname(command), '../lib/chromium', PROGRAM),
    env: { LD_LIBRARY_PATH: `${libraries}:${audio}` },
  };
}
