// Dynamic credentials under load, with real servers: OpenBao lends users of Redis for a few seconds each, and nobody else may use that Redis. First calm rotations; then,
// where asked for, Vault is sealed and later killed for longer than a lease.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { startAgent } from '../../mesh/secrets/agent.ts';
import type { AgentFile } from '../../mesh/secrets/agent-config.ts';
import type { SecretState } from '../../mesh/secrets/live-secret.ts';
import { openSecrets, type Secrets } from '../../mesh/secrets/open-secrets.ts';
import { connectRedis, startVault, until } from '../../mesh/secrets/vault.fixture.ts';
import { parseConfig } from '../../services/lib/config.ts';
import { createLog } from '../../services/lib/log.ts';
import type { WatchSecret } from '../../services/lib/service-secrets.ts';
import { systemClock } from '../../sidecar/src/core/clock.ts';
import { startOpenBao } from '../parts/openbao.ts';
import { startRedis } from '../parts/redis.ts';
import { type Counts, type Load, startLoad } from './load.ts';

export interface RotationOptions {
  readonly leaseSeconds: number;
  readonly calmSeconds: number;
  readonly outages: boolean;
}

export interface Phase extends Counts {
  readonly name: string;
  readonly seconds: number;
  /** Of both secrets together. */
  readonly rotations: number;
  /** Whether the alarm stood at the end of the phase. */
  readonly alarm: boolean;
}

export interface RotationReport {
  readonly phases: readonly Phase[];
  readonly lostJobs: number;
  /** How many passwords were in use, and how many of them stand in the log of the whole run. */
  readonly passwords: number;
  readonly passwordsInLog: number;
}

const ACL = '["~*", "&*", "+@all", "-@admin", "-@dangerous", "+info"]';
const POLICY = 'path "database/creds/load" { capabilities = ["read"] }';

export async function rotateUnderLoad(
  { leaseSeconds, calmSeconds, outages }: RotationOptions,
  onPhase: (phase: Phase) => void = () => {},
): Promise<RotationReport> {
  const undo: (() => unknown)[] = [];
  const lines: string[] = [];
  const passwords = new Set<string>();
  const phases: Phase[] = [];
  const report = (event: string, fields: object) => void lines.push(JSON.stringify({ event, ...fields }));
  const deps = { clock: systemClock, random: Math.random, report };
  try {
    const storage = await mkdtemp(join(tmpdir(), 'tulle-rotation-'));
    undo.push(() => rm(storage, { recursive: true }));
    const redis = await startRedis({ own: true });
    undo.push(redis.stop);
    const vault = await startVault({ storage });
    let { bao } = vault;
    undo.push(vault.stop, () => bao.stop());
    await connectRedis(bao, redis);
    await bao.call('POST', 'database/roles/load', {
      db_name: 'redis',
      creation_statements: ACL,
      default_ttl: `${leaseSeconds}s`,
      max_ttl: `${leaseSeconds}s`,
    });
    await closeToStrangers(redis.port);

    const config = await vault.addRole('load', POLICY, { token_ttl: '20s', token_max_ttl: '60s' });
    const ref = { vault: 'database/creds/load', refreshSeconds: 300 };
    const secrets = await openSecrets({ vault: config, secrets: { redis: ref } }, deps);
    undo.push(() => secrets.close());
    const folder = { path: join(storage, 'rendered'), requireMemory: false };
    const files: AgentFile[] = [{ name: 'redis', ref, mode: 0o400, template: null }];
    const agent = await startAgent({ vault: config, admin: { host: '', port: 0 }, folder, files }, deps);
    undo.push(agent.stop);
    for (const each of [secrets, agent.secrets])
      each.watch('redis', (secret) => passwords.add(JSON.parse(secret.reveal()).password));

    const log = createLog('load', 'debug', { write: (line) => lines.push(line) });
    const watchSecret: WatchSecret = (name, schema, onValue) =>
      secrets.watch(name, (secret) => onValue(parseConfig(secret.reveal(), schema, name)));
    const credentialsFile = join(folder.path, 'redis');
    const load = await startLoad({ redisPort: redis.port, credentialsFile, watchSecret, log, report });
    const all = [secrets, agent.secrets];
    const play = async (name: string, work: () => Promise<unknown>) => {
      const phase = await playPhase(name, load, all, work);
      phases.push(phase);
      onPhase(phase);
    };
    const outageMs = leaseSeconds * 1_500;

    await play('calm', () => sleep(calmSeconds * 1_000));
    if (outages) {
      await bao.seal();
      await play('sealed', () => sleep(outageMs));
      await play('after the seal', async () => {
        await bao.unseal();
        await recovery(all);
      });
      process.kill(bao.pid, 'SIGKILL');
      await bao.stop();
      await play('killed', () => sleep(outageMs));
      await play('after the kill', async () => {
        bao = await startOpenBao({ storage, port: bao.port, keys: bao.keys });
        await recovery(all);
      });
      await play('calm at last', () => sleep(outageMs));
    }
    const lostJobs = await load.stop();
    const text = lines.join('\n');
    const shown = [...passwords].filter((password) => text.includes(password));
    return { phases, lostJobs, passwords: passwords.size, passwordsInLog: shown.length };
  } finally {
    for (const step of undo.reverse()) await step();
  }
}

async function playPhase(
  name: string,
  load: Load,
  all: readonly Secrets[],
  work: () => Promise<unknown>,
): Promise<Phase> {
  const rotations = () => statesOf(all).reduce((sum, state) => sum + state.rotations, 0);
  load.take();
  const [startedMs, before] = [performance.now(), rotations()];
  await work();
  return {
    name,
    seconds: (performance.now() - startedMs) / 1_000,
    ...load.take(),
    rotations: rotations() - before,
    alarm: statesOf(all).some(({ staleSeconds }) => staleSeconds > 0),
  };
}

const statesOf = (all: readonly Secrets[]) => all.flatMap((secrets) => secrets.states());

/** Until both have other credentials, and connections with them. */
async function recovery(all: readonly Secrets[]): Promise<void> {
  const before = statesOf(all).map(({ rotations }) => rotations);
  const isFresh = ({ rotations, staleSeconds }: SecretState, i: number) =>
    rotations !== before[i] && staleSeconds === 0;
  await until('other credentials', () => statesOf(all).every(isFresh));
  await sleep(1_000);
}

/** From now on only users that Vault has made get in, and Vault itself. */
async function closeToStrangers(port: number): Promise<void> {
  const admin = new Redis(port);
  await admin.call('ACL', 'SETUSER', 'default', 'off');
  admin.disconnect();
}
