/**
 * Brings a Vault to a state, or tells how it differs.
 *
 * Invariants: a second time finds nothing to do; nothing is ever taken away: what should not be there is told, for a person to decide on.
 */
import type { Difference } from './resource.ts';
import type { State } from './state.ts';
import type { VaultApi } from './vault-api.ts';

export interface Finding {
  readonly path: string;
  /** `unknown`: it is there and should not be. */
  readonly difference: Difference | 'unknown';
  readonly isMended: boolean;
}

export interface ApplyOptions {
  /** Only tell. */
  readonly isCheck: boolean;
  readonly onFinding?: (finding: Finding) => void;
}

export async function applyState(
  { resources, complete }: State,
  vault: VaultApi,
  { isCheck, onFinding = () => {} }: ApplyOptions,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const tell = (finding: Finding) => {
    findings.push(finding);
    onFinding(finding);
  };
  for (const resource of resources) {
    const difference = await resource.compare(vault);
    const isSame = difference.length === 0;
    if (!isCheck && (!isSame || resource.isBlind)) await resource.write(vault, difference);
    if (!isSame) tell({ path: resource.path, difference, isMended: !isCheck });
  }
  const known = new Set(resources.map(({ path }) => path));
  for (const folder of complete) {
    const { keys = [] } = ((await vault.list(folder)) ?? {}) as { keys?: string[] };
    for (const path of keys.map((key) => `${folder}/${key}`))
      if (!known.has(path)) tell({ path, difference: 'unknown', isMended: false });
  }
  return findings;
}
