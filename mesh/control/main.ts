/**
 * The control plane as a process: `main.ts --config control.yaml`.
 *
 * Invariants: stdout carries one JSON object a line, `ready` with the ports. SIGTERM and SIGINT stop it with exit code 0, bad arguments or
 * configuration end it with 2.
 */
import { parseArgs } from 'node:util';
import { systemClock } from '../../sidecar/src/core/clock.ts';
import { RandomWords } from '../../sidecar/src/observe/random-words.ts';
import { startAdmin } from '../admin.ts';
import { loadControlConfig } from './config.ts';
import { registerTraceSharing } from './metrics.ts';
import { startControlServer } from './server.ts';
import { answerTrace } from './trace-answer.ts';
import { TraceQuestions } from './trace-questions.ts';
import { TraceSharing } from './trace-sharing.ts';

const running = await start(readArguments().config).catch((error: unknown) => fail(error));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void running.stop());

async function start(path: string): Promise<{ stop(): Promise<void> }> {
  const config = await loadControlConfig(path);
  const random = new RandomWords(Math.random);
  const traces = new TraceSharing(systemClock, () => random.next());
  const questions = new TraceQuestions(systemClock);
  const server = await startControlServer(config.listen, traces, questions);
  const admin = await startAdmin(config.admin, {
    service: 'control',
    register: (registry) => registerTraceSharing(registry, traces),
    answer: (path) => answerTrace(path, questions),
  });
  print({ event: 'ready', port: server.port, adminPort: admin.port });
  return {
    async stop() {
      await server.stop();
      traces.close();
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
  return fail('usage: main.ts --config <control.yaml>');
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function fail(reason: unknown): never {
  process.stderr.write(`${reason instanceof Error ? reason.message : reason}\n`);
  process.exit(2);
}
