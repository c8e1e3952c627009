// Root rotations under load: whole ones, from the preparation of the next root to the removal of the old, one after the other.
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { clientTlsOptions } from '../../sidecar/src/identity/trust.ts';
import { type Pair, startWorld, type World } from '../e2e/authority-world.ts';
import { spiffeId } from '../e2e/mesh-fixture.ts';
import { readExpiry } from '../e2e/process-fixture.ts';
import { type Flow, startLoad } from './load.ts';

export interface RotationOptions {
  readonly svidTtlSeconds: number;
  readonly rotations: number;
}

export interface RotationReport {
  readonly seconds: number;
  readonly flows: readonly Flow[];
  /** Names of the roots that were trusted alone, in their order: before the first rotation, and after each. */
  readonly roots: readonly string[];
  /** Names of the roots by which the certificates of the back sidecars were signed at the end. */
  readonly signers: ReadonlySet<string>;
  /** How many of the sidecars' certificates of the beginning were still in use at the end. */
  readonly kept: number;
  /** What the client met that was not meant to be. */
  readonly troubles: readonly string[];
}

const STEPS = ['prepare', 'activate', 'retire'] as const;
/** Bounded, as a rotation that does not come through must end the run. */
const PATIENCE_MS = 30_000;
const EXPECTED = new Set(['rotated', 'trust_changed']);

export async function rotateUnderLoad(
  { svidTtlSeconds, rotations }: RotationOptions,
  onStep: (step: string, seconds: number) => void = () => {},
): Promise<RotationReport> {
  const world = await startWorld(svidTtlSeconds);
  try {
    const { pairs, client, clientEvents } = world;
    const startMs = performance.now();
    const elapsed = () => (performance.now() - startMs) / 1_000;
    const expiries = () => Promise.all(pairs.flatMap(({ admins }) => admins.map(readExpiry)));
    const first = await expiries();
    const roots = [trusted(world)];
    const load = startLoad(pairs, client);
    for (let rotation = 0; rotation < rotations; rotation += 1) {
      for (const step of STEPS) {
        await world.command('rotate-root.ts', step, '--wait');
        onStep(step, elapsed());
      }
      roots.push(await nextTrusted(world, roots.at(-1) as string));
    }
    // Until everybody has heard of the last step, and some more.
    await sleep(2_000);
    await load.stop();
    const last = await expiries();
    const signers = new Set(await Promise.all(pairs.map((pair) => signerOf(pair, world))));
    return {
      seconds: elapsed(),
      flows: load.flows,
      roots,
      signers,
      kept: last.filter((end, index) => end === first[index]).length,
      troubles: clientEvents.filter(({ kind }) => !EXPECTED.has(kind)).map((event) => JSON.stringify(event)),
    };
  } finally {
    await world.stop();
  }
}

/** The names of the roots that the client trusts. */
function trusted({ client }: World): string {
  const blocks = client.svid.rootsPem.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? [];
  return blocks.map((block) => commonName(new X509Certificate(block).subject)).join(' and ');
}

async function nextTrusted(world: World, last: string): Promise<string> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const now = trusted(world);
    if (now !== last && !now.includes(' and ')) return now;
    if (performance.now() > deadline) throw new Error(`the client still trusts ${now}`);
    await sleep(50);
  }
}

/** Who signed the intermediate below which the certificate of a back sidecar stands. */
async function signerOf({ inbound, service }: Pair, { client }: World): Promise<string> {
  const socket = connect({
    port: inbound,
    host: '127.0.0.1',
    ...clientTlsOptions(client.svid, spiffeId(service)),
  });
  try {
    await once(socket, 'secureConnect');
    const { issuerCertificate } = socket.getPeerCertificate(true);
    return commonName(new X509Certificate(issuerCertificate.raw).issuer);
  } finally {
    socket.destroy();
  }
}

function commonName(name: string): string {
  return /^CN=(.*)$/m.exec(name)?.[1] ?? name;
}
