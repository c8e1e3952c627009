import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tulle } from '../../mesh/cli/cli.fixture.ts';
import { STEPS } from './scenario.ts';

// The whole thing as its user runs it: real processes, real Redis, real certificates.

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
/** Starting eleven processes on a busy two-core machine takes its time. */
const PATIENCE_MS = 90_000;
const FIRST = `── 1/${STEPS.length}`;
const UP = 'curl -i ';

type Demo = { process: ChildProcess; output: () => string; exited: Promise<number | string> };
let running: Demo | null = null;
let temp: string;

beforeEach(async () => {
  temp = await mkdtemp(join(tmpdir(), 'tulle-demo-test-'));
});

afterEach(async () => {
  running?.process.kill('SIGTERM');
  await running?.exited;
  running = null;
  await rm(temp, { recursive: true });
});

describe('npm start', () => {
  it(
    '--once shows every hop, points at the one that failed, exits with 0 and leaves nothing behind',
    async () => {
      const demo = start('--once');
      expect(await demo.exited, demo.output()).toBe(0);
      const shown = demo.output();
      for (const service of ['gateway', 'workflow-worker', 'webhook-dispatcher', 'webhook-receiver']) {
        expect(shown).toMatch(new RegExp(`^  ${service} .*(service|sidecar|job)`, 'm'));
      }
      expect(shown).toContain(
        'died in webhook-receiver: POST /hooks/fail answered 500; 4 attempts; dead-lettered',
      );
      expect(shown).toMatch(/webhook-receiver .*\n(.*\n){2}.*└ it died here/);
      expect(shown).toMatch(/refused by gateway: its sidecar answered .*\n.*waf_blocked: sqli-union in json/);
      expect(shown).toContain('└ mTLS to ns/demo/sa/webhook-receiver');
      expect(shown).toContain('└ mTLS from ns/demo/sa/webhook-dispatcher');
      expect(shown).not.toContain('missing:');
      expect(shown).not.toContain('\u001b');
      expect(pidsIn(shown)).toHaveLength(12);
      expect(pidsIn(shown).filter(isAlive)).toEqual([]);
      expect(await readdir(temp)).toEqual([]);
    },
    PATIENCE_MS,
  );

  it(
    'stays up, explains a request of its user, and Ctrl-C leaves nothing behind',
    async () => {
      const demo = start();
      await waitFor(demo, UP);
      const [, url, key, body] =
        /curl -i (\S+) [\s\S]*?x-api-key: (\S+)'[\s\S]*?-d '(\S+)'/.exec(demo.output()) ?? [];
      const response = await fetch(url as string, {
        method: 'POST',
        headers: { 'x-api-key': key as string, 'content-type': 'application/json' },
        body: body as string,
      });
      const requestId = response.headers.get('x-request-id') as string;
      await waitFor(demo, requestId);
      await waitFor(demo, 'succeeded after 2 failures in webhook-receiver: POST /hooks/flaky/2 answered 500');
      const [control] = /http:\S+\/traces\//.exec(demo.output()) ?? [];
      const found = (await (await fetch(`${control}${requestId}`)).json()) as {
        answered: number;
        spans: object[];
      };
      expect(found.answered).toBe(4);
      expect(found.spans.length).toBeGreaterThan(15);
      const where = new URL(control as string).origin;
      const { code, out } = await tulle(['explain', requestId, '--control', where, '--json']);
      expect(code).toBe(0);
      expect(JSON.parse(out).diagnosis).toMatchObject({
        requestId,
        outcome: 'recovered',
        hop: 'webhook-receiver service in',
        phase: 'code',
        failureCode: 'failing_on_purpose',
      });
      demo.process.kill('SIGINT');
      // npm passes on a Ctrl-C that the terminal has sent already.
      demo.process.kill('SIGINT');
      expect(await demo.exited).toBe(0);
      expect(pidsIn(demo.output()).filter(isAlive)).toEqual([]);
    },
    PATIENCE_MS,
  );

  it(
    'ends with the last words of a child that dies early',
    async () => {
      const demo = start();
      await waitFor(demo, FIRST);
      const [, pid] = /workflow-worker-sidecar .*pid (\d+)/.exec(demo.output()) ?? [];
      process.kill(Number(pid), 'SIGKILL');
      expect(await demo.exited).toBe(1);
      expect(demo.output()).toContain('workflow-worker-sidecar ended early (SIGKILL). Its last output:');
      expect(pidsIn(demo.output()).filter(isAlive)).toEqual([]);
    },
    PATIENCE_MS,
  );

  it(
    'is interrupted while it starts',
    async () => {
      const demo = start();
      await waitFor(demo, '✓ ca');
      demo.process.kill('SIGTERM');
      expect(await demo.exited).toBe(143);
      expect(pidsIn(demo.output()).filter(isAlive)).toEqual([]);
    },
    PATIENCE_MS,
  );

  it.runIf(existsSync('/usr/bin/setpriv'))(
    'takes its children along when it is killed',
    async () => {
      const demo = start();
      await waitFor(demo, FIRST);
      demo.process.kill('SIGKILL');
      // Until whoever adopts orphans has looked after them.
      await expect.poll(() => pidsIn(demo.output()).filter(isAlive), { timeout: PATIENCE_MS }).toEqual([]);
    },
    PATIENCE_MS,
  );

  it('explains an option that it does not have', async () => {
    const demo = start('--twice');
    expect(await demo.exited).toBe(2);
    expect(demo.output()).toContain('usage: npm start');
  });
});

function start(...args: string[]): Demo {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: temp },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  }
  const exited = new Promise<number | string>((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  running = { process: child, output: () => output, exited };
  return running;
}

async function waitFor(demo: Demo, text: string): Promise<void> {
  const ended = demo.exited.then((how) => {
    throw new Error(`it ended (${how}) before it said ${JSON.stringify(text)}:\n${demo.output()}`);
  });
  const said = expect.poll(demo.output, { timeout: PATIENCE_MS }).toContain(text);
  await Promise.race([said, ended]);
}

function pidsIn(output: string): number[] {
  return [...output.matchAll(/ pid (\d+)/g)].map(([, pid]) => Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
