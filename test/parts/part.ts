// Runs one real server as a child process: start, wait until it answers, stop.
//
// Invariants: a part that never becomes ready is killed before the error leaves; `stop` returns only after the process
// has exited; no part outlives the process that started it; a part's temporary folder goes with it.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface PartOptions {
  name: string;
  command: string;
  args: string[];
  env?: Record<string, string>;
  /** Pins every thread of the part to this core. */
  cpu?: number;
  /** Files to write, by path relative to the part's folder, which is also its working directory. */
  files?: Record<string, string>;
  /** Asked every few milliseconds; an error counts as "not yet". */
  isReady: (part: Part) => boolean | Promise<boolean>;
}

export interface Part {
  name: string;
  pid: number;
  folder: string;
  /** The last part of what it printed, stdout and stderr together. */
  output: () => string;
  hasExited: () => boolean;
  /** Resolves when the process has ended and all its output was read. */
  exited: Promise<void>;
  stop: () => Promise<void>;
}

class PartExitedError extends Error {}

const OUTPUT_KEPT_CHARS = 16_384;
const READY_TIMEOUT_MS = 30_000;
const READY_POLL_MS = 10;
const STOP_TIMEOUT_MS = 5_000;
/** Above the ports of well-known servers, below those of connections. */
const LOWEST_STEADY_PORT = 15_000;
const STEADY_PORTS = 15_000;
const SETPRIV = '/usr/bin/setpriv';
const TASKSET = 'taskset';

export async function startPart(options: PartOptions): Promise<Part> {
  const folder = await mkdtemp(join(tmpdir(), `tulle-${options.name}-`));
  for (const [path, content] of Object.entries(options.files ?? {})) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  const child = spawnPinned(options, folder);
  const part = watchChild(options.name, child, folder);
  try {
    await waitUntilReady(part, options.isReady);
  } catch (error) {
    await part.stop();
    throw error;
  }
  return part;
}

/** A port that was free a moment ago. For servers that cannot be told to take port 0 and report what they got. */
export async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no TCP port was assigned');
  return address.port;
}

/** A free port that the system gives to no connection unasked, for servers that stop and come back where they were. */
export async function findSteadyPort(): Promise<number> {
  for (;;) {
    const port = LOWEST_STEADY_PORT + Math.floor(Math.random() * STEADY_PORTS);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const free = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
  await new Promise((resolve) => server.close(resolve));
  return free;
}

/** Starts a server on a free port, and again on another when somebody took the port in between. */
export async function startOnFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(await findFreePort());
    } catch (error) {
      if (!(error instanceof PartExitedError) || attempt === 3) throw error;
    }
  }
}

/** Moves a running process with all its threads to one core; what it starts later stays there too. */
export function pinProcess(pid: number, cpu: number): void {
  execFileSync(TASKSET, ['-acp', String(cpu), String(pid)]);
}

function spawnPinned(options: PartOptions, folder: string): ChildProcess {
  const line = [options.command, ...options.args];
  // Both wrappers exec, so the pid stays the server's own. The parent-death signal covers the parent that is
  // killed with SIGKILL, which no exit hook sees.
  if (existsSync(SETPRIV)) line.unshift(SETPRIV, '--pdeathsig', 'TERM', '--');
  if (options.cpu !== undefined) line.unshift(TASKSET, '-c', String(options.cpu));
  const [command, ...args] = line as [string, ...string[]];
  return spawn(command, args, {
    cwd: folder,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C goes to the whole foreground group; in a group of its own the part ends when its owner says so.
    detached: true,
  });
}

function watchChild(name: string, child: ChildProcess, folder: string): Part {
  let output = '';
  let exited = false;
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-OUTPUT_KEPT_CHARS);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);

  const killWithParent = () => {
    child.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', killWithParent);
  const whenExited = new Promise<void>((resolve) => {
    const onEnd = () => {
      exited = true;
      process.off('exit', killWithParent);
      resolve();
    };
    // 'close' comes after the last output was read, so error messages are whole. A command that could not be
    // spawned emits 'error' and never closes.
    child.once('close', onEnd);
    child.once('error', (error) => {
      keep(Buffer.from(String(error)));
      if (child.pid === undefined) onEnd();
    });
  });

  const stop = async () => {
    if (!exited) {
      child.kill('SIGTERM');
      const deadline = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await whenExited;
      clearTimeout(deadline);
    }
    await rm(folder, { recursive: true, force: true });
  };
  return {
    name,
    pid: child.pid ?? -1,
    folder,
    output: () => output,
    hasExited: () => exited,
    exited: whenExited,
    stop,
  };
}

async function waitUntilReady(part: Part, isReady: PartOptions['isReady']): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  let reason = '';
  while (performance.now() < deadline) {
    if (part.hasExited()) {
      throw new PartExitedError(
        `${part.name} exited before it was ready. Its last output:\n${part.output()}`,
      );
    }
    try {
      if (await isReady(part)) return;
    } catch (error) {
      reason = String(error);
    }
    await sleep(READY_POLL_MS);
  }
  throw new Error(
    `${part.name} was not ready within ${READY_TIMEOUT_MS} ms. ${reason} Its last output:\n${part.output()}`,
  );
}
