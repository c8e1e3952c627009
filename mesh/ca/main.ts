/**
 * The authority as a process: `main.ts --config ca.yaml`.
 *
 * Invariants: stdout carries one JSON object a line, `ready` with the port first, then each decision. SIGTERM and SIGINT stop it
 * with exit code 0, bad arguments or configuration end it with 2.
 */
import { parseArgs } from 'node:util';
import { createAuthority } from './authority.ts';
import { loadAuthorityConfig } from './config.ts';
import { createJoinTokens } from './join-tokens.ts';
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
  const identify = createJoinTokens(config.workloads);
  return startAuthorityServer({
    ...config,
    issuer,
    identify,
    report: (decision) => print({ time: new Date().toISOString(), ...decision }),
  });
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

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function fail(reason: unknown): never {
  process.stderr.write(`${reason instanceof Error ? reason.message : reason}\n`);
  process.exit(2);
}
