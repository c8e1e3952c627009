/**
 * The authority as a process: `main.ts --config ca.yaml`.
 *
 * Invariants: stdout carries one JSON object a line, `ready` with the port first, then each decision. SIGTERM and SIGINT stop it
 * with exit code 0, bad arguments or configuration end it with 2.
 */
import { parseArgs } from 'node:util';
import type { Attestor } from './attestor.ts';
import { createAuthority } from './authority.ts';
import { type AuthorityConfig, type KubernetesConfig, loadAuthorityConfig } from './config.ts';
import { JoinTokens } from './join-tokens.ts';
import { Kubernetes } from './kubernetes.ts';
import { LIMITS } from './limits.ts';
import { createRenewal } from './renewal.ts';
import { type AuthorityServer, startAuthorityServer } from './server.ts';

const { config: configPath } = readArguments();
const server = await start(configPath).catch((error: unknown) => fail(error));
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    void server.stop();
  });
}
print({ event: 'ready', port: server.port });

async function start(path: string): Promise<AuthorityServer> {
  const config = await loadAuthorityConfig(path);
  const issuer = await createAuthority(config);
  const joinTokens = new JoinTokens(config.stateDir);
  await joinTokens.sweep();
  setInterval(() => void joinTokens.sweep().catch(reportFailure), LIMITS.sweepMs).unref();
  const attestors = new Map<string, Attestor>([
    ['join-token', joinTokens],
    ['renewal', createRenewal({ ...config, isEnrolled: (spiffeId) => joinTokens.isEnrolled(spiffeId) })],
  ]);
  if (config.kubernetes !== null)
    attestors.set('kubernetes', await openKubernetes(config, config.kubernetes));
  return startAuthorityServer({
    ...config,
    issuer,
    attestors,
    report: (decision) => print({ time: new Date().toISOString(), ...decision }),
  });
}

async function openKubernetes(
  { trustDomain }: AuthorityConfig,
  { audience, requirePod, apiServer }: KubernetesConfig,
): Promise<Attestor> {
  // The client takes 60 MB, which nobody pays who is not in a cluster.
  const { createTokenReview } = await import('./token-review.ts');
  return new Kubernetes({ trustDomain, audience, requirePod, review: createTokenReview(apiServer) });
}

function readArguments(): { config: string } {
  try {
    const { config } = parseArgs({ options: { config: { type: 'string' } } }).values;
    if (config !== undefined) return { config };
  } catch {
    // Unknown arguments get the same answer as missing ones.
  }
  return fail('usage: main.ts --config <ca.yaml>');
}

function reportFailure(error: Error): void {
  print({ time: new Date().toISOString(), event: 'sweep_failed', reason: error.message });
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function fail(reason: unknown): never {
  process.stderr.write(`${reason instanceof Error ? reason.message : reason}\n`);
  process.exit(2);
}
