/**
 * Makes a join token: `join-token.ts --config ca.yaml --spiffe-id spiffe://… [--ttl-seconds 600] > join-token`.
 *
 * Invariants: stdout carries the token and nothing else, and it is shown this once. Bad arguments or configuration end it with 2. It needs the
 * authority's state folder and not the authority.
 */
import { parseArgs } from 'node:util';
import { parseWorkloadId } from '../../sidecar/src/identity/spiffe-id.ts';
import { loadAuthorityConfig } from './config.ts';
import { JoinTokens } from './join-tokens.ts';
import { LIMITS } from './limits.ts';

const USAGE = 'usage: join-token.ts --config <ca.yaml> --spiffe-id <id> [--ttl-seconds <seconds>]';

try {
  process.stdout.write(`${await create()}\n`);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}

async function create(): Promise<string> {
  const { config, spiffeId, ttlSeconds } = readArguments();
  const { trustDomain, stateDir } = await loadAuthorityConfig(config);
  if (parseWorkloadId(spiffeId)?.trustDomain !== trustDomain) {
    throw new Error(`--spiffe-id: must be spiffe://${trustDomain}/ns/<namespace>/sa/<service account>`);
  }
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > LIMITS.joinTokenSeconds) {
    throw new Error(`--ttl-seconds: must be a whole number from 1 to ${LIMITS.joinTokenSeconds}`);
  }
  return new JoinTokens(stateDir).create(spiffeId, ttlSeconds);
}

function readArguments(): { config: string; spiffeId: string; ttlSeconds: number } {
  const options = {
    config: { type: 'string' },
    'spiffe-id': { type: 'string' },
    'ttl-seconds': { type: 'string', default: '600' },
  } as const;
  try {
    const { values } = parseArgs({ options });
    const { config, 'spiffe-id': spiffeId } = values;
    if (config !== undefined && spiffeId !== undefined) {
      return { config, spiffeId, ttlSeconds: Number(values['ttl-seconds']) };
    }
  } catch {
    // Unknown arguments get the same answer as missing ones.
  }
  throw new Error(USAGE);
}
