/**
 * Cuts a workload off, or a single certificate: `deny.ts --config ca.yaml [--spiffe-id spiffe://… | --serial-number <hex>] [--undo]`.
 *
 * Invariants: stdout carries who is denied by then, as JSON. It ends with 1 when the authority refused, with 2 for bad arguments or configuration, or when no authority
 * answers.
 */
import { parseArgs } from 'node:util';
import { sendCommand } from './command-socket.ts';
import type { Command } from './commands.ts';
import { loadAuthorityConfig } from './config.ts';

const USAGE = 'usage: deny.ts --config <ca.yaml> [--spiffe-id <id> | --serial-number <hex>] [--undo]';

try {
  const { config, command } = readArguments();
  const { stateDir } = await loadAuthorityConfig(config);
  const answer = await sendCommand(stateDir, command);
  if ('result' in answer) {
    process.stdout.write(`${JSON.stringify(answer.result, null, 2)}\n`);
  } else {
    process.stderr.write(`${answer.refused}\n`);
    process.exitCode = 1;
  }
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}

function readArguments(): { config: string; command: Command } {
  const options = {
    config: { type: 'string' },
    'spiffe-id': { type: 'string' },
    'serial-number': { type: 'string' },
    undo: { type: 'boolean', default: false },
  } as const;
  try {
    const {
      config,
      'spiffe-id': spiffeId,
      'serial-number': serialNumber,
      undo,
    } = parseArgs({ options }).values;
    if (config !== undefined) {
      const command = undo ? 'allow' : 'deny';
      if (spiffeId !== undefined && serialNumber === undefined)
        return { config, command: { command, who: { spiffeId } } };
      if (serialNumber !== undefined && spiffeId === undefined)
        return { config, command: { command, who: { serialNumber } } };
      if (spiffeId === undefined && serialNumber === undefined && !undo)
        return { config, command: { command: 'denied' } };
    }
  } catch {
    // Unknown arguments get the same answer as missing ones.
  }
  throw new Error(USAGE);
}
