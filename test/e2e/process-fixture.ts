// Sidecars and the authority as their users run them, in processes of their own, and callers that go on until they are stopped.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, send } from './mesh-fixture.ts';

export const SIDECAR = join(import.meta.dirname, '../../sidecar/src/main.ts');
export const AUTHORITY = join(import.meta.dirname, '../../mesh/ca/main.ts');

export interface Started {
  readonly child: ChildProcess;
  readonly ready: Ready;
}

/** The line by which a process says that it is ready; each has its own part of it. */
export interface Ready {
  readonly port?: number;
  readonly adminPort?: number;
  readonly admin: number;
  readonly inbound: Readonly<Record<string, number>>;
  readonly outbound: number | null;
}

export class Processes {
  readonly #children: ChildProcess[] = [];

  /** Not waited for. */
  spawn(program: string, ...args: string[]) {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#children.push(child);
    return child;
  }

  async start(program: string, config: string, ...more: string[]): Promise<Started> {
    const child = this.spawn(program, '--config', config, ...more);
    let errors = '';
    child.stderr.on('data', (chunk) => {
      errors = `${errors}${chunk}`.slice(-4_000);
    });
    for await (const line of createInterface(child.stdout)) {
      const event = JSON.parse(line);
      if (event.event !== 'ready') continue;
      child.stdout.resume();
      return { child, ready: event };
    }
    throw new Error(`${program} ended before it was ready: ${errors}`);
  }

  async stop(): Promise<void> {
    for (const child of this.#children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
}

/** A few callers that go on until they are stopped. */
export function startLoad(port: number, host = 'a.test') {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  const answers: Answer[] = [];
  let going = true;
  const callers = Array.from({ length: 4 }, async () => {
    while (going) {
      const failed = (error: Error): Answer => ({ status: 0, headers: {}, body: error.message, seen: {} });
      answers.push(await send(port, '/', { host, agent, method: 'POST', body: 'x' }).catch(failed));
      await sleep(2);
    }
  });
  return {
    async until(condition: (answers: readonly Answer[]) => boolean): Promise<void> {
      while (!condition(answers)) await sleep(10);
    },
    async stop(): Promise<readonly Answer[]> {
      going = false;
      await Promise.all(callers);
      agent.destroy();
      return answers;
    },
  };
}

/** The first sample whose name and labels begin like that; undefined while there is none. */
export async function readMetric(admin: number, sample: string): Promise<number | undefined> {
  const { body } = await send(admin, '/metrics', { host: '127.0.0.1' });
  const line = body.split('\n').find((each) => each.startsWith(sample));
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ')));
}

/** Of a sidecar's certificate, in seconds since the epoch. */
export function readExpiry(admin: number): Promise<number | undefined> {
  return readMetric(admin, 'tulle_certificate_expiry_timestamp_seconds');
}
