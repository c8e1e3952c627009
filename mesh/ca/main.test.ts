import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json, text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createKeyAndCsr } from '../../sidecar/src/identity/csr.ts';
import { startApiServer } from './api-server.fixture.ts';
import { bearer } from './authority.fixture.ts';
import { createAuthority } from './authority.ts';
import { JoinTokens } from './join-tokens.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-ca-main-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

const children: ChildProcess[] = [];

function run(...args: string[]) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args]);
  children.push(child);
  return child;
}

async function writeConfig(extra = ''): Promise<string> {
  const file = join(folder, 'ca.yaml');
  await writeFile(join(folder, 'passphrase'), 'long enough for a passphrase', { mode: 0o600 });
  await writeFile(
    file,
    `trustDomain: a.test\nlisten: 127.0.0.1:0\nstateDir: state\npassphraseFile: passphrase\nsvidTtlSeconds: 60\n${extra}`,
  );
  return file;
}

describe('the authority process', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('says when it is ready and ends with 0 on %s', async (signal) => {
    const child = run('--config', await writeConfig());
    const [line] = await once(child.stdout, 'data');
    expect(JSON.parse(line)).toEqual({
      event: 'ready',
      port: expect.any(Number),
      adminPort: expect.any(Number),
    });
    await access(join(folder, 'state/roots.pem'));
    child.kill(signal);
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('takes the tokens of pods where the config says so, and does not without', async () => {
    const issuer = await createAuthority({ trustDomain: 'cluster.test' });
    const apiServer = await startApiServer(folder, issuer);
    const token = apiServer.addPod({ namespace: 'b', account: 'c', audiences: ['mesh'], pod: 'c-1' });
    const { url, rootsFile, tokenFile } = apiServer;
    const kubernetes = JSON.stringify({ audience: 'mesh', apiServer: { url, rootsFile, tokenFile } });
    for (const [extra, status] of [
      [`kubernetes: ${kubernetes}\n`, 200],
      ['', 404],
    ] as const) {
      const child = run('--config', await writeConfig(extra));
      const [line] = await once(child.stdout, 'data');
      const outgoing = request({
        host: '127.0.0.1',
        port: JSON.parse(line).port,
        path: '/v1/svid/kubernetes',
        method: 'POST',
        ca: await readFile(join(folder, 'state/roots.pem')),
        ...bearer(token),
        agent: false,
      });
      outgoing.end(JSON.stringify({ csr: (await createKeyAndCsr()).csrPem }));
      const [response] = await once(outgoing, 'response');
      expect(response.statusCode).toBe(status);
      if (status === 200)
        expect(await json(response)).toMatchObject({ spiffeId: 'spiffe://a.test/ns/b/sa/c' });
      child.kill();
    }
    apiServer.close();
  });

  it('ends with 2 and says where the configuration is wrong', async () => {
    const child = run('--config', await writeConfig('ttl: 5\n'));
    const [[code], errors] = await Promise.all([once(child, 'exit'), text(child.stderr)]);
    expect(code).toBe(2);
    expect(errors).toMatch(/ca\.yaml:\d+:\d+: .*ttl/);
  });

  it.each([[[]], [['--config']], [['--port', '1']]])(
    'ends with 2 and its usage for the arguments %j',
    async (args) => {
      const child = run(...args);
      const [[code], errors] = await Promise.all([once(child, 'exit'), text(child.stderr)]);
      expect(code).toBe(2);
      expect(errors).toMatch(/^usage: main\.ts --config <ca\.yaml> \[--check/);
    },
  );
});

describe('the command that makes a join token', () => {
  const ID = 'spiffe://a.test/ns/b/sa/c';
  const make = async (...args: string[]) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'join-token.ts'), ...args]);
    const [[code], output, errors] = await Promise.all([
      once(child, 'exit'),
      text(child.stdout),
      text(child.stderr),
    ]);
    return { code, output, errors };
  };

  it('prints it and nothing else, for an authority of the same state folder', async () => {
    const { code, output } = await make('--config', await writeConfig(), '--spiffe-id', ID);
    expect(code).toBe(0);
    expect(output).toMatch(/^tulle-join-[A-Za-z0-9_-]{43}\n$/);
    const claim = { token: output.trim(), keySha256: 'key', socket: null as never };
    expect(await new JoinTokens(join(folder, 'state')).attest(claim)).toMatchObject({ spiffeId: ID });
  });

  it.each([
    ['no id', [], 'usage: join-token.ts'],
    ['an unknown argument', ['--id', ID], 'usage: join-token.ts'],
    [
      'an id of another trust domain',
      ['--spiffe-id', 'spiffe://b.test/ns/b/sa/c'],
      '--spiffe-id: must be spiffe://a.test/',
    ],
    ['a lifetime of a year', ['--spiffe-id', ID, '--ttl-seconds', '31536000'], '--ttl-seconds: must be'],
  ])('ends with 2 for %s', async (_, args, message) => {
    const { code, output, errors } = await make('--config', await writeConfig(), ...args);
    expect([code, output]).toEqual([2, '']);
    expect(errors).toContain(message);
  });
});
