// Two meshes, each with an authority of its own, as their users run them: bundles by an endpoint and by a file, a call from one to the other, and an access policy that
// goes by the foreign identity.
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { JoinTokens } from '../../mesh/ca/join-tokens.ts';
import {
  createFolder,
  type EchoOrigin,
  type Folder,
  send,
  sidecarConfig,
  startOrigin,
} from './mesh-fixture.ts';
import { AUTHORITY, Processes, SIDECAR } from './process-fixture.ts';

const SHOP = 'shop.test';
const BANK = 'bank.test';
const PATIENCE = { timeout: 20_000, interval: 100 };

let folder: Folder;
let origin: EchoOrigin;
let processes: Processes;
beforeEach(async () => {
  folder = await createFolder();
  origin = await startOrigin();
  processes = new Processes();
});
afterEach(async () => {
  await processes.stop();
  origin.close();
  await folder.remove();
});

const idOf = (trustDomain: string, service: string) => `spiffe://${trustDomain}/ns/e2e/sa/${service}`;

/** Its port. */
async function startAuthority(trustDomain: string, foreign: Record<string, unknown>): Promise<number> {
  await folder.write('passphrase', 'long enough for a passphrase', 0o600);
  const config = {
    trustDomain,
    listen: '127.0.0.1:0',
    stateDir: trustDomain,
    passphraseFile: 'passphrase',
    svidTtlSeconds: 600,
    trustRefreshSeconds: 1,
    foreignTrustDomains: [foreign],
  };
  const { ready } = await processes.start(
    AUTHORITY,
    await folder.write(`${trustDomain}.yaml`, JSON.stringify(config)),
  );
  return ready.port as number;
}

interface Mesh {
  readonly trustDomain: string;
  readonly port: number;
  readonly accepts: readonly string[];
}

async function startSidecar(mesh: Mesh, service: string, spec: Record<string, unknown>, policy?: unknown) {
  const { trustDomain, port, accepts } = mesh;
  const token = await new JoinTokens(join(folder.path, trustDomain)).create(idOf(trustDomain, service), 60);
  const authority = {
    url: `https://127.0.0.1:${port}`,
    rootsFile: join(trustDomain, 'roots.pem'),
    tokenFile: await folder.write(`${service}-token`, token),
    foreignTrustDomains: accepts,
  };
  const config = sidecarConfig(service, { identity: { trustDomain, authority }, ...spec });
  const documents = [config, ...(policy === undefined ? [] : [JSON.stringify(policy)])].join('\n---\n');
  return (await processes.start(SIDECAR, await folder.write(`${service}.yaml`, documents))).ready;
}

it('a workload of another trust domain is let in where both sides accept it, and allowed what a policy says', {
  timeout: 90_000,
}, async () => {
  const bundleFile = join(folder.path, 'shop-bundle.json');
  const bankPort = await startAuthority(BANK, { trustDomain: SHOP, file: bundleFile });
  const bundleUrl = `https://127.0.0.1:${bankPort}/v1/bundle`;
  const web = { url: bundleUrl, rootsFile: join(BANK, 'roots.pem') };
  const shopPort = await startAuthority(SHOP, { trustDomain: BANK, web });
  const bank: Mesh = { trustDomain: BANK, port: bankPort, accepts: [SHOP] };
  const shop: Mesh = { trustDomain: SHOP, port: shopPort, accepts: [BANK] };

  const ledger = await startSidecar(
    bank,
    'ledger',
    {
      inbound: [{ name: 'http', listen: '127.0.0.1:0', mtls: 'strict', target: `127.0.0.1:${origin.port}` }],
    },
    {
      apiVersion: 'mesh.tulle.dev/v1alpha1',
      kind: 'AccessPolicy',
      metadata: { name: 'ledger' },
      spec: {
        targetRefs: [{ kind: 'Service', name: 'ledger' }],
        rules: [
          {
            name: 'shop',
            action: 'allow',
            from: { identities: [idOf(SHOP, 'checkout')] },
            to: { paths: ['/pay'] },
          },
        ],
      },
    },
  );
  const service = {
    host: 'ledger',
    mtls: 'strict',
    identity: idOf(BANK, 'ledger'),
    endpoints: [`127.0.0.1:${ledger.inbound.http}`],
  };
  const calling = { outbound: { listen: '127.0.0.1:0', services: [service] } };
  const checkout = await startSidecar(shop, 'checkout', calling);
  const other = await startSidecar(shop, 'catalogue', calling);
  const call = async (port: number | null, path: string) =>
    (await send(port as number, path, { host: 'ledger' })).status;

  // The bank does not know the shop's roots yet.
  expect(await call(checkout.outbound, '/pay')).toBe(503);
  await writeFile(bundleFile, await fetchBundle(shopPort));
  await vi.waitFor(async () => expect(await call(checkout.outbound, '/pay')).toBe(200), PATIENCE);
  expect(await call(checkout.outbound, '/else')).toBe(403);
  expect(await call(other.outbound, '/pay')).toBe(403);
});

it('a foreign identity that is not accepted is an error of the config, with its place', async () => {
  const identity = {
    trustDomain: SHOP,
    authority: {
      url: 'https://127.0.0.1:1',
      rootsFile: 'x',
      tokenFile: 'x',
      foreignTrustDomains: ['other.test'],
    },
  };
  const service = {
    host: 'ledger',
    mtls: 'strict',
    identity: idOf(BANK, 'ledger'),
    endpoints: ['127.0.0.1:1'],
  };
  const spec = { identity, outbound: { listen: '127.0.0.1:0', services: [service] } };
  const file = await folder.write('checkout.yaml', sidecarConfig('checkout', spec));
  await expect(processes.start(SIDECAR, file)).rejects.toThrow(
    /services\[0\]\.identity.* is in trust domain bank\.test, while spec\.identity trusts .*shop\.test.*other\.test/,
  );
});

/** As whoever brings it to the bank by hand. */
async function fetchBundle(port: number): Promise<string> {
  const ca = await readFile(join(folder.path, SHOP, 'roots.pem'));
  const outgoing = request({ host: '127.0.0.1', port, path: '/v1/bundle', ca, agent: false }).end();
  const [response] = await once(outgoing, 'response');
  return text(response);
}
