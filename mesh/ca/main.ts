/**
 * The authority as a process: `main.ts --config ca.yaml`. With `--check [--root-days 90] [--intermediate-days <n>]` it tells what it has that ends, and ends with 1 when that is too soon.
 *
 * Invariants: stdout carries one JSON object a line, `ready` with the port first, then each decision. SIGTERM and SIGINT stop it
 * with exit code 0, bad arguments or configuration end it with 2.
 */
import { parseArgs } from 'node:util';
import { systemClock } from '../../sidecar/src/core/clock.ts';
import { startAdmin } from '../admin.ts';
import { VaultSession } from '../secrets/vault-session.ts';
import type { Attestor } from './attestor.ts';
import { serveCommands } from './command-socket.ts';
import { type Commanded, runCommand } from './commands.ts';
import {
  type AuthorityConfig,
  type KubernetesConfig,
  loadAuthorityConfig,
  type VaultPkiConfig,
} from './config.ts';
import { Denials } from './denials.ts';
import { type OpenIssuer, openEmbedded } from './embedded.ts';
import { isDue, readExpiries } from './expiry-check.ts';
import { Federation } from './federation.ts';
import { IdentityRates } from './identity-rates.ts';
import { JoinTokens } from './join-tokens.ts';
import { Kubernetes } from './kubernetes.ts';
import { LIMITS } from './limits.ts';
import { IssuanceCounts, registerExpiry, registerIssuerAway } from './metrics.ts';
import { createRenewal } from './renewal.ts';
import { startAuthorityServer } from './server.ts';
import { VaultIssuer } from './vault-issuer.ts';

const { config: configPath, check } = readArguments();
if (check !== null) process.exit(await checkExpiry(configPath, check).catch((error: unknown) => fail(error)));
const running = await start(configPath).catch((error: unknown) => fail(error));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void running.stop());
// After the signals: whoever reads that it is ready may end it.
print({ event: 'ready', ...running.ports });

interface Running {
  readonly ports: { readonly port: number; readonly adminPort: number };
  stop(): Promise<void>;
}

async function start(path: string): Promise<Running> {
  const config = await loadAuthorityConfig(path);
  // Before anything in the state folder is read: it is for one authority at a time.
  const opened = Promise.withResolvers<Commanded>();
  const commands = await serveCommands(config.stateDir, async (sent) =>
    runCommand(sent, await opened.promise),
  );
  const { issuer, rotation, register, close } =
    config.vault === null ? await openEmbedded(config, report) : await openVault(config, config.vault);
  const denials = await Denials.open(config.stateDir, config.trustDomain);
  const federation = await Federation.open(config.foreignTrustDomains, config.stateDir, report);
  opened.resolve({ rotation, denials, report });
  const counts = new IssuanceCounts();
  const server = await startAuthorityServer({
    ...config,
    issuer,
    attestors: await openAttestors(config, denials),
    denials,
    federation,
    rates: new IdentityRates(config.identityRate),
    report(decision) {
      counts.count(decision);
      report(decision);
    },
  });
  const admin = await startAdmin(config.admin, {
    service: 'authority',
    register(registry) {
      counts.register(registry);
      register(registry);
      registerExpiry(registry, issuer, federation);
    },
  });
  return {
    ports: { port: server.port, adminPort: admin.port },
    async stop() {
      commands.close();
      await server.stop();
      federation.close();
      close();
      admin.close();
    },
  };
}

async function openVault(
  { trustDomain, stateDir }: AuthorityConfig,
  { session, ...pki }: VaultPkiConfig,
): Promise<OpenIssuer> {
  const deps = {
    clock: systemClock,
    random: Math.random,
    report: (event: string, fields: Readonly<Record<string, unknown>>) => report({ event, ...fields }),
  };
  const vault = new VaultSession(session, deps);
  const issuer = await VaultIssuer.open({ trustDomain, stateDir, session: vault, ...pki, report });
  return {
    issuer,
    rotation: null,
    register: (registry) => registerIssuerAway(registry, () => issuer.awaySeconds),
    close: () => issuer.close(),
  };
}

async function openAttestors(
  config: AuthorityConfig,
  denials: Denials,
): Promise<ReadonlyMap<string, Attestor>> {
  const joinTokens = new JoinTokens(config.stateDir);
  const sweep = () =>
    joinTokens.sweep().catch(({ message }: Error) => report({ event: 'sweep_failed', reason: message }));
  await sweep();
  setInterval(() => void sweep(), LIMITS.sweepMs).unref();
  const attestors = new Map<string, Attestor>([
    ['join-token', joinTokens],
    [
      'renewal',
      createRenewal({ ...config, denials, isEnrolled: (spiffeId) => joinTokens.isEnrolled(spiffeId) }),
    ],
  ]);
  if (config.kubernetes !== null)
    attestors.set('kubernetes', await openKubernetes(config, config.kubernetes));
  return attestors;
}

async function openKubernetes(
  { trustDomain }: AuthorityConfig,
  { audience, requirePod, apiServer }: KubernetesConfig,
): Promise<Attestor> {
  // The client takes 60 MB, which nobody pays who is not in a cluster.
  const { createTokenReview } = await import('./token-review.ts');
  return new Kubernetes({ trustDomain, audience, requirePod, review: createTokenReview(apiServer) });
}

interface Check {
  readonly rootDays: number;
  /** Null for a quarter of its lifetime. */
  readonly intermediateDays: number | null;
}

/** The exit code. */
async function checkExpiry(path: string, { rootDays, intermediateDays }: Check): Promise<number> {
  const dayMs = 24 * 3_600_000;
  const config = await loadAuthorityConfig(path);
  const quarterMs = config.intermediateTtlSeconds * 250;
  const thresholds = {
    rootMs: rootDays * dayMs,
    intermediateMs: intermediateDays === null ? quarterMs : intermediateDays * dayMs,
  };
  const nowMs = Date.now();
  const expiries = await readExpiries(config, thresholds);
  for (const expiry of expiries) {
    const { certificate, id, notAfterMs } = expiry;
    const daysLeft = Math.floor((notAfterMs - nowMs) / dayMs);
    const notAfter = new Date(notAfterMs).toISOString();
    print({ certificate, id, notAfter, daysLeft, due: isDue(expiry, nowMs) });
  }
  return expiries.some((expiry) => isDue(expiry, nowMs)) ? 1 : 0;
}

function readArguments(): { config: string; check: Check | null } {
  const options = {
    config: { type: 'string' },
    check: { type: 'boolean', default: false },
    'root-days': { type: 'string', default: '90' },
    'intermediate-days': { type: 'string' },
  } as const;
  try {
    const { values } = parseArgs({ options });
    const { config, check, 'intermediate-days': days } = values;
    const rootDays = Number(values['root-days']);
    const intermediateDays = days === undefined ? null : Number(days);
    if (config !== undefined && rootDays >= 0 && (intermediateDays ?? 0) >= 0)
      return { config, check: check ? { rootDays, intermediateDays } : null };
  } catch {
    // Unknown arguments get the same answer as missing ones.
  }
  return fail(
    'usage: main.ts --config <ca.yaml> [--check [--root-days <days>] [--intermediate-days <days>]]',
  );
}

function report(event: { readonly event: string } & Readonly<Record<string, unknown>>): void {
  print({ time: new Date().toISOString(), ...event });
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function fail(reason: unknown): never {
  process.stderr.write(`${reason instanceof Error ? reason.message : reason}\n`);
  process.exit(2);
}
