/**
 * Replaces the root of a running authority, one step a call: `rotate-root.ts --config ca.yaml prepare|activate|retire|cancel|status [--wait] [--force]`.
 *
 * Invariants: stdout carries the state after the step as JSON. It ends with 1 when the step was refused, with 2 for bad arguments or configuration, or when
 * no authority answers.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { sendCommand } from './command-socket.ts';
import { type Command, ROTATION_STEPS } from './commands.ts';
import { loadAuthorityConfig } from './config.ts';
import type { RotationStep } from './root-rotation.ts';

const USAGE =
  'usage: rotate-root.ts --config <ca.yaml> prepare|activate|retire|cancel|status [--wait] [--force]';

/** Clocks are set, so the authority is asked again that often. */
const WAIT_MS = { least: 100, most: 60_000 } as const;

try {
  process.exitCode = await rotate();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}

async function rotate(): Promise<number> {
  const { config, command, wait } = readArguments();
  const { stateDir } = await loadAuthorityConfig(config);
  for (;;) {
    const answer = await sendCommand(stateDir, command);
    if ('result' in answer) {
      process.stdout.write(`${JSON.stringify(answer.result, null, 2)}\n`);
      return 0;
    }
    if (!wait || answer.earliestMs === null) {
      process.stderr.write(`${answer.refused}\n`);
      return 1;
    }
    await sleep(Math.min(Math.max(answer.earliestMs - Date.now(), WAIT_MS.least), WAIT_MS.most));
  }
}

function readArguments(): { config: string; command: Command; wait: boolean } {
  const options = {
    config: { type: 'string' },
    wait: { type: 'boolean', default: false },
    force: { type: 'boolean', default: false },
  } as const;
  try {
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    const { config, wait, force } = values;
    const [step = '', ...more] = positionals;
    if (config !== undefined && more.length === 0) {
      if (step === 'status') return { config, command: { command: 'rotation' }, wait: false };
      if (isStep(step)) return { config, command: { command: 'rotate-root', step, force }, wait };
    }
  } catch {
    // Unknown arguments get the same answer as missing ones.
  }
  throw new Error(USAGE);
}

function isStep(text: string): text is RotationStep {
  return (ROTATION_STEPS as readonly string[]).includes(text);
}
