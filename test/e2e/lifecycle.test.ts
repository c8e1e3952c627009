// A sidecar as its users run it: a process that drains on SIGTERM, reloads on SIGHUP and on change, and rotates its certificate, all
// under load and without a failed request.
import { once } from 'node:events';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
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
import { AUTHORITY, Processes, readExpiry, SIDECAR, startLoad } from './process-fixture.ts';

let folder: Folder;
let origin: EchoOrigin;
let processes: Processes;

beforeEach(async () => {
  processes = new Processes();
  folder = await createFolder();
  origin = await startOrigin('first');
});

afterEach(async () => {
  await processes.stop();
  origin.close();
  await folder.remove();
});

describe('--check', () => {
  it('tells what has no effect and what series there can be, and accepts the rest', async () => {
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
      /^warning: .*checked\.yaml:10:\d+: HTTPRoute orders: .*never.*\nmetrics: at most [\d,]+ series.*\n(?: .*\n)+.*checked\.yaml: accepted\n$/,
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
    const child = processes.spawn(SIDECAR, '--config', path, '--check');
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
    const first = await processes.start(SIDECAR, good, '--last-good', lastGood);
    first.child.kill('SIGTERM');
    await once(first.child, 'exit');
    const taken = plainInbound(origin.port);
    taken.inbound[0].listen = `127.0.0.1:${origin.port}`;
    await folder.write('starts.yaml', sidecarConfig('starts', taken));
    const { ready } = await processes.start(SIDECAR, good, '--last-good', lastGood);
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
    const authority = await processes.start(AUTHORITY, await folder.write('ca.yaml', JSON.stringify(config)));
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
    const first = await readExpiry(back.ready.admin);
    const load = startLoad(front.ready.outbound as number, 'back');
    let rotations = 0;
    for (let known = first; rotations < 3; ) {
      await sleep(100);
      const now = await readExpiry(back.ready.admin);
      if (now !== known) rotations++;
      known = now;
    }
    const answers = await load.stop();
    expect(answers.length).toBeGreaterThan(100);
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  });
});

function plainInbound(port: number): { inbound: [Record<string, unknown>] } {
  return { inbound: [{ name: 'http', listen: '127.0.0.1:0', mtls: 'off', target: `127.0.0.1:${port}` }] };
}

async function startSidecarProcess(service: string, spec: Record<string, unknown>) {
  return processes.start(SIDECAR, await folder.write(`${service}.yaml`, sidecarConfig(service, spec)));
}

function health(admin: number): Promise<Answer> {
  return send(admin, '/healthz/ready', { host: '127.0.0.1' });
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
