/**
 * The agent as a process: `main.ts --config agent.yaml`, with `--once` to render every file and exit, as an init container does.
 *
 * Invariants: stdout carries one JSON object a line: `ready` with the port when every file is there, and what happens to secrets, never what is in them. SIGTERM
 * and SIGINT stop it with exit code 0; bad arguments, a bad configuration, or secrets that never came end it with 2.
 */
import { parseArgs } from 'node:util';
import { systemClock } from '../../sidecar/src/core/clock.ts';
import { startAdmin } from '../admin.ts';
import { startAgent } from './agent.ts';
import { loadAgentConfig } from './agent-config.ts';
import { refuseSecretsInEnvironment } from './environment.ts';
import { registerSecrets } from './metrics.ts';

const { config: configPath, once } = readArguments();
const running = await start(configPath).catch((error: unknown) => fail(error));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void running.stop());
if (once) await running.stop();

async function start(path: string): Promise<{ stop(): Promise<void> }> {
  refuseSecretsInEnvironment(process.env);
  const config = loadAgentConfig(path);
  const report = (event: string, fields: Readonly<Record<string, unknown>>) =>
    print({ time: new Date().toISOString(), event, ...fields });
  const { secrets, stop } = await startAgent(config, { clock: systemClock, random: Math.random, report });
  const admin = await startAdmin(config.admin, {
    service: 'secrets-agent',
    register: (registry) => registerSecrets(registry, secrets),
    describe: () => ({ vault: secrets.vaultAwayReason ?? 'ok', secrets: secrets.states() }),
  });
  print({ event: 'ready', adminPort: admin.port, files: config.files.map(({ name }) => name) });
  return {
    async stop() {
      await stop();
      admin.close();
    },
  };
}

function readArguments(): { config: string; once: boolean } {
  try {
    const options = { config: { type: 'string' }, once: { type: 'boolean', default: false } } as const;
    const { config, once } = parseArgs({ options }).values;
    if (config !== undefined) return { config, once };
  } catch {
    // Unknown arguments get the same answer as missing ones.
  }
  return fail('usage: main.ts --config <agent.yaml> [--once]');
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function fail(reason: unknown): never {
  process.stderr.write(`${reason instanceof Error ? reason.message : reason}\n`);
  process.exit(2);
}
