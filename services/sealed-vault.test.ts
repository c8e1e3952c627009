// Gateway and worker that start while Vault is sealed, with the state of deploy/vault and the users of Redis that it lends.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type DeployedVault, startDeployable } from '../deploy/vault/deploy.fixture.ts';
import type { VaultConfig } from '../mesh/secrets/vault-session.ts';
import { API_KEY, waitFor } from './testing/platform.ts';
import { type LogLine, type ServiceProcess, startService } from './testing/service-process.ts';

const WORKFLOWS = readFileSync(new URL('workflow-worker/workflows.yaml', import.meta.url), 'utf8');

let vault: DeployedVault;
const services: ServiceProcess[] = [];
beforeEach(async () => {
  vault = await startDeployable();
  await vault.apply();
  const hash = `sha256:${createHash('sha256').update(API_KEY).digest('hex')}`;
  const data = { keys: [{ tenant: 'acme', hash }] };
  await vault.bao.call('POST', 'secret/data/gateway/api-keys', { data });
});
afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.stop()));
  await vault.stop();
});

const NOBODY = { url: 'http://127.0.0.1:9' };

/** Begins it; `lines` gets what it says meanwhile. */
function begin(name: string, login: VaultConfig, config: object, secrets: object = {}) {
  const lines: LogLine[] = [];
  const whole = {
    redis: { url: vault.redis.url },
    vault: login,
    secrets: { redis: { vault: `database/creds/${name}` }, ...secrets },
    workflowsFile: 'workflows.yaml',
    ...config,
  };
  const ready = startService(name, whole, { 'workflows.yaml': WORKFLOWS }, lines);
  // A failure is for the test, which awaits `ready`, to tell.
  ready.then(
    (service) => services.push(service),
    () => {},
  );
  return { lines, ready };
}

const says = (lines: readonly LogLine[], name: string, text = '') =>
  lines.some(({ event, reason = '' }) => event === name && String(reason).includes(text));

async function startRun({ url }: ServiceProcess): Promise<number> {
  const { status } = await fetch(`${url}/v1/workflows/order-placed/runs`, {
    method: 'POST',
    headers: { 'x-api-key': API_KEY, 'content-type': 'application/json' },
    body: JSON.stringify({ webhookUrl: 'http://127.0.0.1:9/hook', input: { orderId: 1 } }),
  });
  return status;
}

test('they wait for their secrets and say why, work once it is unsealed, and go on when it is sealed again', async () => {
  const [front, back] = await Promise.all(['gateway', 'workflow-worker'].map((name) => vault.loginOf(name)));
  await vault.bao.seal();
  const worker = begin('workflow-worker', back as VaultConfig, { dispatcher: NOBODY });
  const apiKeys = { vault: 'secret/data/gateway/api-keys' };
  const gateway = begin('gateway', front as VaultConfig, { worker: NOBODY }, { apiKeys });
  for (const { lines } of [worker, gateway]) {
    await waitFor('the alarm', async () => says(lines, 'vault_away', 'Vault is sealed'), Boolean);
    expect(says(lines, 'ready')).toBe(false);
  }

  await vault.bao.unseal();
  const [running] = await Promise.all([gateway.ready, worker.ready]);
  expect(await startRun(running)).toBe(202);
  // That it took the job from the queue is enough: nobody listens where it is to go.
  await waitFor(
    'a job',
    async () => worker.lines.some(({ msg, message }) => /^job /.test(String(msg ?? message))),
    Boolean,
  );

  await vault.bao.seal();
  expect(await startRun(running)).toBe(202);
  await vault.bao.unseal();
});
