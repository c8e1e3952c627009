/**
 * One thing that must stand in Vault: how what is there is compared with it, and how it is written.
 *
 * Invariants: comparing changes nothing; what differs is told by the names of keys, never by values, since some are secrets. Whatever is not named is left
 * as it is.
 */
import type { Secret } from '../../mesh/secrets/secret.ts';
import { findDifferences } from './differences.ts';
import type { VaultApi } from './vault-api.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** `missing`, or the keys that differ. */
export type Difference = 'missing' | readonly string[];

export interface Resource {
  readonly path: string;
  /** Holds what cannot be read back, so it is written each time that there is something to write it for. */
  readonly isBlind?: boolean;
  compare(vault: VaultApi): Promise<Difference>;
  write(vault: VaultApi, difference: Difference): Promise<void>;
}

/** What is read and written at one path. `hidden` is written with it, and Vault does not show it again. */
export function objectAt(
  path: string,
  wanted: Fields,
  hidden: Readonly<Record<string, Secret>> = {},
): Resource {
  return {
    path,
    isBlind: Object.keys(hidden).length > 0,
    async compare(vault) {
      const there = await vault.read(path);
      // The database engine shows what it was given for the plugin under a key of its own.
      return there === null
        ? 'missing'
        : findDifferences(wanted, { ...there, ...(there.connection_details as Fields) });
    },
    write: (vault) => vault.write(path, { ...wanted, ...reveal(hidden) }),
  };
}

/** @param kind `sys/mounts` for engines, `sys/auth` for logins. */
export function mountAt(kind: string, name: string, wanted: Fields): Resource {
  const path = `${kind}/${name}`;
  return {
    path,
    async compare(vault) {
      const there = (await vault.read(kind))?.[`${name}/`] as Fields | undefined;
      return there === undefined ? 'missing' : findDifferences(wanted, there);
    },
    async write(vault, difference) {
      if (difference === 'missing') return vault.write(path, wanted);
      if (difference.includes('type'))
        throw new Error(
          `${path}: there is a mount of another type; it is not replaced, because all in it would be lost. Move it away first`,
        );
      const { type, config, ...rest } = wanted;
      await vault.write(`${path}/tune`, { ...rest, ...(config as Fields) });
    },
  };
}

export function auditAt(name: string, wanted: Fields): Resource {
  const path = `sys/audit/${name}`;
  return {
    path,
    async compare(vault) {
      const there = (await vault.read('sys/audit'))?.[`${name}/`] as Fields | undefined;
      return there === undefined ? 'missing' : findDifferences(wanted, there);
    },
    async write(vault, difference) {
      if (difference !== 'missing')
        throw new Error(
          `${path}: is another than it should be (${difference.join(', ')}); it is not replaced, because nothing would be on record meanwhile. Change it by hand`,
        );
      await vault.write(path, wanted).catch((error: Error) => {
        throw new Error(
          `${error.message}; where the server's own config has to name it, as with OpenBao, take deploy/vault/audit.hcl`,
        );
      });
    },
  };
}

/** The key and certificate of an authority, made in Vault. */
export function rootAt(mount: string, name: string, wanted: Fields): Resource {
  return {
    path: `${mount}/issuers/${name}`,
    async compare(vault) {
      const issuers = Object.values(
        ((await vault.list(`${mount}/issuers`))?.key_info ?? {}) as Record<string, Fields>,
      );
      return issuers.some(({ issuer_name }) => issuer_name === name) ? [] : 'missing';
    },
    write: (vault) => vault.write(`${mount}/root/generate/internal`, { issuer_name: name, ...wanted }),
  };
}

/** A secret of the second version of KV. Fields that others wrote stay. */
export function writtenAt(mount: string, name: string, wanted: Readonly<Record<string, Secret>>): Resource {
  const path = `${mount}/data/${name}`;
  return {
    path,
    async compare(vault) {
      const there = await vault.read(path);
      return there === null ? 'missing' : findDifferences(reveal(wanted), (there.data ?? {}) as Fields);
    },
    async write(vault) {
      const there = await vault.read(path);
      await vault.write(path, { data: { ...(there?.data as Fields), ...reveal(wanted) } });
    },
  };
}

function reveal(secrets: Readonly<Record<string, Secret>>): Fields {
  return Object.fromEntries(Object.entries(secrets).map(([key, secret]) => [key, secret.reveal()]));
}
