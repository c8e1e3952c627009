/**
 * The rate-limit service as a process: `main.ts --config ratelimit.yaml`.
 *
 * Invariants: stdout carries one JSON object a line: `ready` with the ports, and what happens to shared stores and unknown domains. SIGTERM
 * and SIGINT stop it with exit code 0, bad arguments or configuration end it with 2.
 */
import { parseArgs } from 'node:util';
import { systemClock } from '../../sidecar/src/core/clock.ts';
import { registerRateLimits } from '../../sidecar/src/filters/rate-limit/metrics.ts';
import { RateLimits } from '../../sidecar/src/filters/rate-limit/rate-limits.ts';
import { startAdmin } from '../admin.ts';
import { loadRateLimitServiceConfig } from './config.ts';
import { startRateLimitServer } from './server.ts';

const running = await start(readArguments().config).catch((error: unknown) => fail(error));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void running.stop());

async function start(path: string): Promise<{ stop(): Promise<void> }> {
  const { listen, admin: adminListen, policies } = await loadRateLimitServiceConfig(path);
  const report = (event: string, fields: Readonly<Record<string, unknown>>) =>
    print({ time: new Date().toISOString(), event, ...fields });
  const limits = new RateLimits({ clock: systemClock, random: Math.random, report });
  const server = await startRateLimitServer({ listen, policies, limits, clock: systemClock, report });
  const admin = await startAdmin(adminListen, {
    service: 'ratelimit',
    register: (registry) => registerRateLimits(registry, limits),
  });
  print({ event: 'ready', port: server.port, adminPort: admin.port });
  return {
    async stop() {
      await server.stop();
      limits.close();
      admin.close();
    },
  };
}

function readArguments(): { config: string } {
  try {
    const { config } = parseArgs({ options: { config: { type: 'string' } } }).values;
    if (config !== undefined) return { config };
  } catch {
    // Unknown arguments get the same answer as missing ones.
  }
  return fail('usage: main.ts --config <ratelimit.yaml>');
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function fail(reason: unknown): never {
  process.stderr.write(`${reason instanceof Error ? reason.message : reason}\n`);
  process.exit(2);
}
