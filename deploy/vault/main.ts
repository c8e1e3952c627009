/**
 * `npm run vault:apply -- --config vault.yaml [--check]`: brings a Vault to the state in this folder, or with `--check` tells how it differs.
 *
 * Exit code 0: all is as it should be; 1: something differs, or is there that should not be; 2: it could not be found out or mended. Nothing that is printed
 * is a secret.
 */
import { parseArgs } from 'node:util';
import { refuseSecretsInEnvironment } from '../../mesh/secrets/environment.ts';
import { applyState, type Finding } from './apply.ts';
import { loadDeployConfig } from './config.ts';
import { readState } from './state.ts';
import { VaultApi } from './vault-api.ts';

const { config: path, check: isCheck } = readArguments();
try {
  refuseSecretsInEnvironment(process.env);
  const config = loadDeployConfig(path);
  const state = readState(config);
  const vault = new VaultApi(config.vault);
  const onFinding = (finding: Finding) => console.log(describe(finding));
  const findings = await applyState(state, vault, { isCheck, onFinding });
  vault.close();
  const left = findings.filter(({ isMended }) => !isMended).length;
  console.log(`${state.resources.length} looked at, ${findings.length - left} written, ${left} to see to`);
  process.exitCode = left === 0 ? 0 : 1;
} catch (error) {
  fail(error as Error);
}

function describe({ path, difference, isMended }: Finding): string {
  if (difference === 'unknown')
    return `? ${path} should not be there; delete it, or add it to deploy/vault/state`;
  const what = difference === 'missing' ? 'is missing' : `differs in ${difference.join(', ')}`;
  return isMended ? `✓ ${path} ${what}: written` : `✗ ${path} ${what}`;
}

function readArguments(): { config: string; check: boolean } {
  try {
    const options = { config: { type: 'string' }, check: { type: 'boolean', default: false } } as const;
    const { config, check } = parseArgs({ options }).values;
    if (config !== undefined) return { config, check };
  } catch {
    // Unknown arguments get the same answer as missing ones.
  }
  return fail(new Error('usage: npm run vault:apply -- --config <vault.yaml> [--check]'));
}

function fail({ message }: Error): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}
