// A sidecar as its users run it: a process that drains on SIGTERM, reloads on SIGHUP and on change, and rotates its certificate, all
// under load and without a failed request.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rename } from 'node:fs/promises';
import http from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JoinTokens } from '../../mesh/ca/join-tokens.ts';
import {
  type Answer,
  createFolder,
  type EchoOrigin,
  type Folder,
  send,
  sidecarConfig,
  spiffeId,
  startOrigin,
  TRUST_DOMAIN,
} from './mesh-fixture.ts';

const SIDECAR = join(import.meta.dirname, '../../sidecar/src/main.ts');
const AUTHORITY = join(import.meta.dirname, '../../mesh/ca/main.ts');

let folder: Folder;
let origin: EchoOrigin;
let children: ChildProcess[];

beforeEach(async () => {
  children = [];
  folder = await createFolder();
  origin = await startOrigin('first');
});

afterEach(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  origin.close();
  await folder.remove();
});

describe('--check', () => {
  it('tells what has no effect, and accepts the rest', async () => {
    const service = { host: 'orders', mtls: 'off', endpoints: [`127.0.0.1:${origin.port}`] };
    const outbound = { listen: '127.0.0.1:0', services: [service] };
    const text = `${sidecarConfig('checked', { outbound })}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: orders, namespace: e2e }
spec:
  parentRefs: [{ group: "", kind: Service, name: orders }]
  rules:
    - backendRefs: [{ name: orders, port: 80 }]
    - backendRefs: [{ name: orders, port: 80 }]
`;
    const { code, output } = await check(text);
    expect(output).toMatch(
      /^warning: .*checked\.yaml:10:\d+: HTTPRoute orders: .*never.*\n.*checked\.yaml: accepted\n$/,
    );
    expect(code).toBe(0);
  });

  it('tells what is wrong, where, and what to do', async () => {
    const { code, output } = await check(
      sidecarConfig('checked', plainInbound(origin.port)).replace('service', 'servise'),
    );
    expect(output).toMatch(/checked\.yaml:\d+:\d+: spec\.servise: .*did you mean `service`/);
    expect(output).toMatch(/checked\.yaml: refused\n$/);
    expect(code).toBe(1);
  });

  async function check(text: string): Promise<{ code: number; output: string }> {
    const path = await folder.write('checked.yaml', text);
    const child = spawn(process.execPath, [SIDECAR, '--config', path, '--check']);
    children.push(child);
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    const [code] = await once(child, 'close');
    return { code, output };
  }
});

describe('drain', () => {
  it('completes what is under way, takes nothing new, and ends with 0', async () => {
    const { child, ready } = await startSidecarProcess('drains', plainInbound(origin.port));
    const port = ready.inbound.http as number;
    const underWay = send(port, '/slow?ms=400');
    await sleep(100);
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await untilRefused(port);
    expect((await health(ready.admin)).status).toBe(503);
    const answer = await underWay;
    expect(answer.status).toBe(200);
    expect(answer.headers.connection).toBe('close');
    expect(await exited).toEqual([0, null]);
  });

  it('cuts off what outlasts the deadline, and still ends with 0', async () => {
    const spec = { ...plainInbound(origin.port), timeouts: { drainMs: 200 } };
    const { child, ready } = await startSidecarProcess('cuts', spec);
    const underWay = send(ready.inbound.http as number, '/slow?ms=60000').catch((error: Error) => error);
    await sleep(100);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(await underWay).toBeInstanceOf(Error);
  });

  it('is begun by POST /drain too, and ends the process', async () => {
    const { child, ready } = await startSidecarProcess('admin', plainInbound(origin.port));
    const exited = once(child, 'exit');
    const answer = await send(ready.admin, '/drain', { method: 'POST', host: '127.0.0.1' });
    expect(answer.status).toBe(202);
    expect(await exited).toEqual([0, null]);
  });
});

describe('reload', () => {
  it('switches the target under load without a failed request', async () => {
    const second = await startOrigin('second');
    const { child, ready } = await startSidecarProcess('reloads', plainInbound(origin.port));
    const load = startLoad(ready.inbound.http as number);
    await load.until((answers) => answers.length > 50);
    await folder.write('reloads.yaml', sidecarConfig('reloads', plainInbound(second.port)));
    child.kill('SIGHUP');
    await load.until((answers) => answers.at(-1)?.headers['x-origin'] === 'second');
    const answers = await load.stop();
    second.close();
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  });

  it('keeps the last good config when the file is broken, and says so', async () => {
    const { ready } = await startSidecarProcess('keeps', plainInbound(origin.port));
    await folder.write(
      'keeps.next',
      '{ "apiVersion": "mesh.tulle.dev/v1alpha1", "kind": "Sidecar", "spce": {} }',
    );
    await rename(join(folder.path, 'keeps.next'), join(folder.path, 'keeps.yaml'));
    for (;;) {
      const { body } = await send(ready.admin, '/metrics', { host: '127.0.0.1' });
      if (/^tulle_config_rejected_total\{[^}]*\} 1$/m.test(body)) break;
      await sleep(50);
    }
    expect((await send(ready.inbound.http as number, '/')).status).toBe(200);
    expect((await health(ready.admin)).status).toBe(200);
    const dump = JSON.parse((await send(ready.admin, '/config_dump', { host: '127.0.0.1' })).body);
    expect(JSON.stringify(dump.problems)).toContain('spce');
  });
});

describe('start', () => {
  it('falls back to the last good config when the new one is valid but its port is taken', async () => {
    const good = await folder.write('starts.yaml', sidecarConfig('starts', plainInbound(origin.port)));
    const lastGood = join(folder.path, 'starts.last-good.yaml');
    const first = await startProcess(SIDECAR, good, '--last-good', lastGood);
    first.child.kill('SIGTERM');
    await once(first.child, 'exit');
    const taken = plainInbound(origin.port);
    taken.inbound[0].listen = `127.0.0.1:${origin.port}`;
    await folder.write('starts.yaml', sidecarConfig('starts', taken));
    const { ready } = await startProcess(SIDECAR, good, '--last-good', lastGood);
    expect((await send(ready.inbound.http as number, '/')).status).toBe(200);
    const dump = JSON.parse((await send(ready.admin, '/config_dump', { host: '127.0.0.1' })).body);
    expect(dump.onLastGood).toBe(true);
    expect(JSON.stringify(dump.problems)).toContain('EADDRINUSE');
  });
});

describe('rotation', () => {
  it('replaces certificates from a real authority again and again without a failed request', async () => {
    await folder.write('ca-passphrase', 'long enough for a passphrase', 0o600);
    const config = {
      trustDomain: TRUST_DOMAIN,
      listen: '127.0.0.1:0',
      stateDir: 'ca',
      passphraseFile: 'ca-passphrase',
      svidTtlSeconds: 6,
    };
    const authority = await startProcess(AUTHORITY, await folder.write('ca.yaml', JSON.stringify(config)));
    const joinTokens = new JoinTokens(join(folder.path, 'ca'));
    const identityOf = async (service: string) => {
      const token = await joinTokens.create(spiffeId(service), 60);
      const tokenFile = await folder.write(`${service}-token`, token);
      const url = `https://127.0.0.1:${authority.ready.port}`;
      return { trustDomain: TRUST_DOMAIN, authority: { url, rootsFile: 'ca/roots.pem', tokenFile } };
    };
    const back = await startSidecarProcess('back', {
      identity: await identityOf('back'),
      inbound: [{ name: 'http', listen: '127.0.0.1:0', mtls: 'strict', target: `127.0.0.1:${origin.port}` }],
    });
    const front = await startSidecarProcess('front', {
      identity: await identityOf('front'),
      outbound: {
        listen: '127.0.0.1:0',
        services: [
          {
            host: 'back',
            mtls: 'strict',
            identity: spiffeId('back'),
            endpoints: [`127.0.0.1:${back.ready.inbound.http}`],
          },
        ],
      },
    });
    const first = await expiry(back.ready.admin);
    const load = startLoad(front.ready.outbound as number, 'back');
    let rotations = 0;
    for (let known = first; rotations < 3; ) {
      await sleep(100);
      const now = await expiry(back.ready.admin);
      if (now !== known) rotations++;
      known = now;
    }
    const answers = await load.stop();
    expect(answers.length).toBeGreaterThan(100);
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  });
});

interface Ready {
  readonly port?: number;
  readonly admin: number;
  readonly inbound: Readonly<Record<string, number>>;
  readonly outbound: number | null;
}

function plainInbound(port: number): { inbound: [Record<string, unknown>] } {
  return { inbound: [{ name: 'http', listen: '127.0.0.1:0', mtls: 'off', target: `127.0.0.1:${port}` }] };
}

async function startSidecarProcess(service: string, spec: Record<string, unknown>) {
  return startProcess(SIDECAR, await folder.write(`${service}.yaml`, sidecarConfig(service, spec)));
}

async function startProcess(
  program: string,
  config: string,
  ...more: string[]
): Promise<{ child: ChildProcess; ready: Ready }> {
  const child = spawn(process.execPath, [program, '--config', config, ...more], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
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

/** A few callers that go on until they are stopped. */
function startLoad(port: number, host = 'a.test') {
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

function health(admin: number): Promise<Answer> {
  return send(admin, '/healthz/ready', { host: '127.0.0.1' });
}

async function expiry(admin: number): Promise<string | undefined> {
  const { body } = await send(admin, '/metrics', { host: '127.0.0.1' });
  return /^tulle_certificate_expiry_timestamp_seconds\S* (\S+)$/m.exec(body)?.[1];
}

async function untilRefused(port: number): Promise<void> {
  for (;;) {
    const refused = await send(port, '/', { headers: { connection: 'close' } }).then(
      () => false,
      () => true,
    );
    if (refused) return;
    await sleep(10);
  }
}
