import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { limits } from './limits.ts';

// The demo's child processes: start, wait for the ready line, notice a death, stop.
// Invariants: a child is ended by its own pid and nothing else; `stop` leaves none behind and takes no longer than its deadline; when
// the demo itself dies, its children die with it. The output kept of each is bounded.

export type ChildSpec = { readonly name: string; readonly script: string; readonly config: string };
export type ProcessTimes = { readonly readyMs: number; readonly stopMs: number };
export type ReadyLine = Readonly<Record<string, unknown>>;

type Child = {
  readonly name: string;
  readonly process: ChildProcess;
  readonly output: string[];
  readonly exited: Promise<void>;
};

/** A child ended although nobody asked it to. */
export class ChildLost extends Error {}

const SETPRIV = '/usr/bin/setpriv';

export class Processes {
  readonly #children = new Map<string, Child>();
  readonly #onLost: (error: ChildLost) => void;
  readonly #times: ProcessTimes;
  #stopping = false;

  constructor(onLost: (error: ChildLost) => void, times: ProcessTimes = limits) {
    this.#onLost = onLost;
    this.#times = times;
    // The last resort: an exit that came past `stop`.
    process.once('exit', () => {
      for (const child of this.#children.values()) child.process.kill('SIGKILL');
    });
  }

  pidOf(name: string): number | undefined {
    return this.#children.get(name)?.process.pid;
  }

  /** Resolves with the child's ready line. */
  async start({ name, script, config }: ChildSpec): Promise<ReadyLine> {
    if (this.#stopping) throw new Error(`${name} is not started: the demo is stopping`);
    const child = this.#spawn(name, [script, '--config', config]);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`${name} was not ready within ${this.#times.readyMs} ms. ${lastWords(child)}`));
      }, this.#times.readyMs);
    });
    try {
      return await Promise.race([child.ready, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the named children in waves, one after the other, then everything else; what is left at the deadline is killed. */
  async stop(waves: readonly (readonly string[])[]): Promise<void> {
    this.#stopping = true;
    const deadline = setTimeout(() => {
      for (const child of this.#children.values()) child.process.kill('SIGKILL');
    }, this.#times.stopMs);
    for (const wave of [...waves, [...this.#children.keys()]]) {
      const children = wave.flatMap((name) => this.#children.get(name) ?? []);
      for (const child of children) child.process.kill('SIGTERM');
      await Promise.all(children.map((child) => child.exited));
    }
    clearTimeout(deadline);
  }

  #spawn(name: string, args: readonly string[]): Child & { ready: Promise<ReadyLine> } {
    const line = [process.execPath, ...args];
    // It execs, so the pid stays the child's own. It covers the one death which no handler sees: SIGKILL.
    if (existsSync(SETPRIV)) line.unshift(SETPRIV, '--pdeathsig', 'KILL', '--');
    const [command = process.execPath, ...rest] = line;
    const spawned = spawn(command, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      // Ctrl-C goes to the whole foreground group; in a group of their own the children end when and how the demo says.
      detached: true,
    });
    const output: string[] = [];
    let becomeReady: (line: ReadyLine) => void = () => {};
    let failStart: (error: Error) => void = () => {};
    const ready = new Promise<ReadyLine>((resolve, reject) => {
      becomeReady = resolve;
      failStart = reject;
    });
    // Whoever waits for it has its own reference; a death after the ready line must not count as unhandled.
    ready.catch(() => {});
    const keep = (text: string) => {
      output.push(text.slice(0, limits.outputLineChars));
      if (output.length > limits.outputLines) output.shift();
    };
    onLines(spawned.stdout, (text) => {
      keep(text);
      const said = parseReady(text);
      if (said !== null) becomeReady(said);
    });
    onLines(spawned.stderr, keep);
    const exited = new Promise<void>((resolve) => {
      const end = (how: string) => {
        this.#children.delete(name);
        resolve();
        const lost = new ChildLost(`${name} ended early (${how}). ${lastWords(child)}`);
        failStart(lost);
        if (!this.#stopping) this.#onLost(lost);
      };
      // 'close' comes after the last output was read, so that the last words are whole.
      spawned.once('close', (code, signal) => end(signal ?? `exit code ${code}`));
      spawned.once('error', (error) => {
        if (spawned.pid === undefined) end(error.message);
      });
    });
    const child = { name, process: spawned, output, exited, ready };
    this.#children.set(name, child);
    return child;
  }
}

function lastWords({ output }: { output: readonly string[] }): string {
  return output.length === 0
    ? 'It printed nothing.'
    : `Its last output:\n${output.map((line) => `    ${line}`).join('\n')}`;
}

function parseReady(line: string): ReadyLine | null {
  if (!line.startsWith('{')) return null;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && 'event' in value && value.event === 'ready'
      ? (value as ReadyLine)
      : null;
  } catch {
    return null;
  }
}

function onLines(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  let rest = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    // A child that never ends its line must not fill the memory.
    rest = (lines.pop() ?? '').slice(-64 * 1024);
    for (const line of lines) if (line !== '') onLine(line);
  });
  stream?.on('end', () => {
    if (rest !== '') onLine(rest);
  });
}
