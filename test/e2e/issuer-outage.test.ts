// Vault is sealed for longer than half of the lifetime of certificates, under load, and no request fails: sidecars renew at about half, go on
// trying, and have new certificates before the old ones end. The login of the authority ends during the outage, too.
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { JoinTokens } from '../../mesh/ca/join-tokens.ts';
import { type Pki, startPki } from '../../mesh/ca/pki.fixture.ts';
import { systemClock } from '../../sidecar/src/core/clock.ts';
import { startEnrolment } from '../../sidecar/src/identity/enrolment.ts';
import type { Identity, IdentityEvent } from '../../sidecar/src/identity/identity.ts';
import { clientTlsOptions } from '../../sidecar/src/identity/trust.ts';
import {
  createFolder,
  type EchoOrigin,
  type Folder,
  sidecarConfig,
  spiffeId,
  startOrigin,
  TRUST_DOMAIN,
} from './mesh-fixture.ts';
import { AUTHORITY, Processes, readExpiry, readMetric, SIDECAR, startLoad } from './process-fixture.ts';

/** Long enough that processes which start one after the other on a slow machine do not use it up. */
const LIFETIME_SECONDS = 20;
const SEALED_SECONDS = LIFETIME_SECONDS * 0.55;

let pki: Pki;
let folder: Folder;
let origin: EchoOrigin;
let processes: Processes;
beforeEach(async () => {
  pki = await startPki(TRUST_DOMAIN, { token_ttl: '4s', token_max_ttl: '4s' });
  folder = await createFolder();
  origin = await startOrigin();
  processes = new Processes();
});
afterEach(async () => {
  await processes.stop();
  origin.close();
  await folder.remove();
  await pki.stop();
});

it('a sealed Vault costs no request while it is away for longer than half of a lifetime', {
  timeout: 90_000,
}, async () => {
  const authority = await startAuthority();
  const back = await startSidecar('back', authority.port, {
    inbound: [{ name: 'http', listen: '127.0.0.1:0', mtls: 'strict', target: `127.0.0.1:${origin.port}` }],
  });
  const inbound = back.inbound.http as number;
  const service = {
    host: 'back',
    mtls: 'strict',
    identity: spiffeId('back'),
    endpoints: [`127.0.0.1:${inbound}`],
  };
  const front = await startSidecar('front', authority.port, {
    outbound: { listen: '127.0.0.1:0', services: [service] },
  });
  const events: IdentityEvent[] = [];
  const client = await enrol('client', authority.port, events);

  const firstEndsMs = client.svid.notAfterMs;
  const first = await expiries();
  await pki.bao.seal();
  const sealedAtMs = performance.now();
  const load = startLoad(front.outbound as number, 'back');
  const handshakes = startHandshakes(inbound, client);
  await sleep(SEALED_SECONDS * 1_000);
  const awaySeconds = await readMetric(authority.adminPort, 'tulle_authority_issuer_away_seconds');
  const refused = await readMetric(
    authority.adminPort,
    'tulle_authority_refusals_total{code="issuer_unavailable"',
  );
  await pki.bao.unseal();
  const sealedMs = performance.now() - sealedAtMs;
  // Until long after everything that was there before the outage has ended.
  while (Date.now() < firstEndsMs + 1_000 || (await expiries()).some((end, index) => end === first[index])) {
    await sleep(100);
  }
  const [answers, greetings] = [await load.stop(), await handshakes.stop()];
  client.stop();

  expect(sealedMs).toBeGreaterThan((LIFETIME_SECONDS * 1_000) / 2);
  expect(refused).toBeGreaterThan(0);
  expect(awaySeconds).toBeGreaterThan(0);
  expect(events.map(({ kind }) => kind)).toContain('renewal_failed');
  expect(events.map(({ kind }) => kind)).not.toContain('expired');
  expect(answers.length).toBeGreaterThan(500);
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  expect(greetings.length).toBeGreaterThan(50);
  expect(greetings.filter((greeting) => greeting !== 'ok')).toEqual([]);
  expect(await readMetric(authority.adminPort, 'tulle_authority_issuer_away_seconds')).toBe(0);

  function expiries(): Promise<unknown[]> {
    return Promise.all([readExpiry(back.admin), readExpiry(front.admin), client.svid.notAfterMs]);
  }
});

async function startAuthority(): Promise<{ port: number; adminPort: number }> {
  const config = {
    trustDomain: TRUST_DOMAIN,
    listen: '127.0.0.1:0',
    stateDir: 'ca',
    svidTtlSeconds: LIFETIME_SECONDS,
    vault: pki.login,
  };
  const { ready } = await processes.start(AUTHORITY, await folder.write('ca.yaml', JSON.stringify(config)));
  const { data } = await pki.bao.call('GET', 'pki/cert/ca');
  await folder.write('roots.pem', String((data as { certificate: string }).certificate));
  return { port: ready.port as number, adminPort: ready.adminPort as number };
}

async function writeToken(name: string): Promise<string> {
  const token = await new JoinTokens(join(folder.path, 'ca')).create(spiffeId(name), 60);
  return folder.write(`${name}-token`, token);
}

async function startSidecar(name: string, authorityPort: number, spec: Record<string, unknown>) {
  const authority = {
    url: `https://127.0.0.1:${authorityPort}`,
    rootsFile: 'roots.pem',
    tokenFile: await writeToken(name),
  };
  const config = sidecarConfig(name, { identity: { trustDomain: TRUST_DOMAIN, authority }, ...spec });
  return (await processes.start(SIDECAR, await folder.write(`${name}.yaml`, config))).ready;
}

async function enrol(name: string, authorityPort: number, events: IdentityEvent[]): Promise<Identity> {
  const source = {
    kind: 'authority',
    url: `https://127.0.0.1:${authorityPort}`,
    rootsFile: join(folder.path, 'roots.pem'),
    evidence: { kind: 'join-token', file: await writeToken(name) },
    stateDir: null,
    foreignTrustDomains: [],
  } as const;
  const report = (event: IdentityEvent) => void events.push(event);
  return startEnrolment(source, TRUST_DOMAIN, { clock: systemClock, random: Math.random, report });
}

/** A new connection each time: what a certificate is worth shows in handshakes alone. */
function startHandshakes(port: number, identity: Identity) {
  const outcomes: string[] = [];
  let going = true;
  const running = (async () => {
    while (going) {
      outcomes.push(await greet(port, identity).catch((error: Error) => error.message));
      await sleep(20);
    }
  })();
  return {
    async stop(): Promise<readonly string[]> {
      going = false;
      await running;
      return outcomes;
    },
  };
}

async function greet(port: number, identity: Identity): Promise<string> {
  const options = clientTlsOptions(identity.svid, spiffeId('back'));
  const socket: TLSSocket = connect({ port, host: '127.0.0.1', ALPNProtocols: ['http/1.1'], ...options });
  try {
    await once(socket, 'secureConnect');
    socket.write('GET / HTTP/1.1\r\nhost: back\r\nconnection: close\r\n\r\n');
    const [head] = await once(socket, 'data');
    return String(head).startsWith('HTTP/1.1 200') ? 'ok' : String(head);
  } finally {
    socket.destroy();
  }
}
