/**
 * User and password of a shared store, and who vouches for it, from the files that the config names.
 *
 * Invariant: errors name the file and what to do, and never what stands in it.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { readYaml } from '../../config/yaml-source.ts';
import type { StoreSpec } from './config.ts';

/** As the agent renders dynamic credentials. One file, so that the two are never of different ages. */
const credentials = z.strictObject({ username: z.string().min(1), password: z.string().min(1) });

/** The file to watch; null when there is none. */
export function credentialsFileOf({ credentialsFile, passwordFile }: StoreSpec): string | null {
  return credentialsFile ?? passwordFile ?? null;
}

export function readCredentials(spec: StoreSpec): { username?: string; password?: string } {
  const { username, passwordFile, credentialsFile } = spec;
  if (credentialsFile !== undefined) {
    const { value, broken } = readYaml(read('credentialsFile', credentialsFile));
    const parsed = credentials.safeParse(value);
    if (!broken && parsed.success) return parsed.data;
    throw new Error(
      `redis.credentialsFile: ${credentialsFile} must be a mapping of \`username\` and \`password\`, both text`,
    );
  }
  return {
    ...(username === undefined ? {} : { username }),
    ...(passwordFile === undefined ? {} : { password: read('passwordFile', passwordFile).trimEnd() }),
  };
}

export function readRoots({ rootsFile }: StoreSpec): { ca?: string } {
  return rootsFile === undefined ? {} : { ca: read('rootsFile', rootsFile) };
}

function read(key: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`redis.${key}: ${file} cannot be read (${code}); check its path and permissions`);
  }
}
