/**
 * What a config says of Vault and of secrets, for everything that takes them: services, the agent, and other processes of the mesh.
 *
 * Invariants: a token never leaves the machine in the clear; a path is a path and cannot become a query or another request.
 */
import { resolve } from 'node:path';
import { z } from 'zod';
import { isLoopback } from '../../sidecar/src/config/address.ts';
import { filePath, text } from '../../sidecar/src/config/values.ts';
import { LIMITS } from './limits.ts';
import type { VaultConfig } from './vault-session.ts';

const SEGMENTS = /^[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/;

export const vaultPath = text(
  (value) =>
    SEGMENTS.test(value) && !value.split('/').includes('..') && value.length <= LIMITS.pathChars
      ? null
      : 'must be a path of the Vault API, without /v1/ and a leading slash',
  'write it as secret/data/orders or database/creds/orders',
);

const address = text((value) => {
  const url = URL.parse(value);
  if (url === null || !/^https?:$/.test(url.protocol)) return 'must be an https:// URL';
  if (url.username !== '' || url.password !== '') return 'must not hold credentials';
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    return 'must have no path, query or fragment';
  // The token goes with each request.
  const isLocal = isLoopback(url.hostname.replace(/^\[|\]$/g, ''));
  return url.protocol === 'https:' || isLocal ? null : 'must be https:// unless Vault is on this machine';
}, 'write https://host:8200');

const auth = z.union(
  [
    z.strictObject({
      appRole: z.strictObject({
        mount: vaultPath.default('approle'),
        roleIdFile: filePath,
        secretIdFile: filePath,
        secretIdWrapped: z.boolean().default(false),
      }),
    }),
    z.strictObject({
      kubernetes: z.strictObject({
        mount: vaultPath.default('kubernetes'),
        role: z.string().min(1).max(LIMITS.pathChars),
        tokenFile: filePath.default('/var/run/secrets/kubernetes.io/serviceaccount/token'),
      }),
    }),
  ],
  { error: 'must be a mapping with `appRole` or `kubernetes`' },
);

export const vaultKey = z.strictObject({
  address,
  namespace: vaultPath.optional(),
  rootsFile: filePath.optional(),
  auth,
});

/** Where a secret comes from. */
export const secretRef = z.union(
  [
    z.strictObject({ file: filePath }),
    z.strictObject({
      vault: vaultPath,
      field: z.string().min(1).max(LIMITS.pathChars).optional(),
      refreshSeconds: z.int().min(1).max(86_400).default(300),
    }),
  ],
  { error: 'must be a mapping with `file` or `vault`' },
);

export function placeSecretRef<Ref extends z.output<typeof secretRef>>(ref: Ref, folder: string): Ref {
  return 'file' in ref ? { ...ref, file: resolve(folder, ref.file) } : ref;
}

/** With absolute paths. Relative ones start in `folder`, that of the config file. */
export function placeVaultFiles(
  { rootsFile, auth, ...rest }: z.output<typeof vaultKey>,
  folder: string,
): VaultConfig {
  const place = (file: string) => resolve(folder, file);
  const placed = rootsFile === undefined ? rest : { ...rest, rootsFile: place(rootsFile) };
  if ('kubernetes' in auth) {
    const { kubernetes } = auth;
    return { ...placed, auth: { kubernetes: { ...kubernetes, tokenFile: place(kubernetes.tokenFile) } } };
  }
  const { appRole } = auth;
  const files = { roleIdFile: place(appRole.roleIdFile), secretIdFile: place(appRole.secretIdFile) };
  return { ...placed, auth: { appRole: { ...appRole, ...files } } };
}
