/**
 * Runs one service as the process it is in production: config file in, JSON lines out, signals to end it.
 *
 * Invariants: `start` returns when the ready line was read, or throws with what the process said; a process never outlives the test run.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export type LogLine = Record<string, unknown>;

export interface ServiceProcess {
  name: string;
  url: string;
  /** Of its metrics; empty where it has none. */
  metricsUrl: string;
  pid: number;
  lines: LogLine[];
  /** Sends the signal and resolves with the exit code. */
  stop: (signal?: NodeJS.Signals) => Promise<number | null>;
}

/** Files that the config names, written beside it. */
export type ConfigFiles = Record<string, string>;

const SERVICES = fileURLToPath(new URL('..', import.meta.url));

/** `lines` gets what it says from the beginning on. */
export async function startService(
  name: string,
  config: object,
  files: ConfigFiles = {},
  lines: LogLine[] = [],
): Promise<ServiceProcess> {
  const folder = await mkdtemp(join(tmpdir(), `tulle-${name}-`));
  const configPath = join(folder, 'config.yaml');
  const whole = { service: name, listen: '127.0.0.1:0', logLevel: 'debug', ...config };
  // JSON is YAML.
  await writeFile(configPath, JSON.stringify(whole));
  for (const [file, content] of Object.entries(files)) await writeFile(join(folder, file), content);

  const child = spawn(process.execPath, [join(SERVICES, name, 'main.ts'), '--config', configPath], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const killWithParent = () => child.kill('SIGKILL');
  process.once('exit', killWithParent);
  const exited = new Promise<number | null>((resolve) => {
    child.once('close', async (code) => {
      process.off('exit', killWithParent);
      await rm(folder, { recursive: true, force: true });
      resolve(code);
    });
  });
  const { port, metricsPort } = await waitUntilReady(name, child, lines, exited);
  return {
    name,
    url: `http://127.0.0.1:${port}`,
    metricsUrl: metricsPort === undefined ? '' : `http://127.0.0.1:${metricsPort}/metrics`,
    pid: child.pid as number,
    lines,
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return exited;
    },
  };
}

function waitUntilReady(
  name: string,
  child: ChildProcess,
  lines: LogLine[],
  exited: Promise<number | null>,
): Promise<LogLine> {
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const parsed = JSON.parse(line) as LogLine;
      lines.push(parsed);
      if (parsed.event === 'ready') resolve(parsed);
    });
    exited.then((code) => reject(new Error(`${name} exited with ${code} before it was ready:\n${errors}`)));
  });
}
