/**
 * The keys of an issuer: where they come from, and what finds the one for a token.
 *
 * Invariants: what comes in is hostile until checked: bounded, parsed, public. Errors name the source and never what stands in it.
 */
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { LIMITS } from '../../core/limits.ts';
import { readBounded } from '../../core/read-bounded.ts';
import { type IssuerSpec, type JwksSpec, secretBytes } from './config.ts';

export interface KeySource {
  /** How it is called in logs. */
  readonly name: string;
  readonly refreshMs: number;
  readonly minRefreshMs: number;
  readonly timeoutMs: number;
  read(signal: AbortSignal): Promise<Buffer>;
  parse(bytes: Buffer): ParsedKeys;
}

export interface ParsedKeys {
  readonly count: number;
  readonly find: JWTVerifyGetKey;
}

const SECRET_TIMES = { refreshMs: 10_000, minRefreshMs: 1_000, timeoutMs: 2_000 };

export function keySourceOf({ keys: { jwks, secretFile }, algorithms }: IssuerSpec): KeySource {
  if (jwks === undefined) {
    const file = secretFile as string;
    return {
      name: file,
      ...SECRET_TIMES,
      read: (signal) => readKeyFile(file, signal),
      parse: (bytes) => parseSecret(bytes, secretBytes(algorithms)),
    };
  }
  const { url, file } = jwks;
  return {
    name: url ?? (file as string),
    refreshMs: jwks.refreshSeconds * 1_000,
    minRefreshMs: jwks.minRefreshSeconds * 1_000,
    timeoutMs: jwks.timeoutMs,
    read: (signal) =>
      url === undefined ? readKeyFile(file as string, signal) : fetchKeys(url, jwks, signal),
    parse: parseKeySet,
  };
}

const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(LIMITS.jwksKeys) });

export function parseKeySet(bytes: Buffer): ParsedKeys {
  let parsed: z.infer<typeof keySet>;
  try {
    parsed = keySet.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    throw new Error(`is no JWK Set of at most ${LIMITS.jwksKeys} keys (RFC 7517)`);
  }
  // A set without keys is more often a mistake of its issuer than a wish to be believed no more.
  const count = parsed.keys.filter(({ kty, d }) => kty !== 'oct' && d === undefined).length;
  if (count === 0) throw new Error('holds no public key');
  return { count, find: createLocalJWKSet(parsed as JSONWebKeySet) };
}

function parseSecret(bytes: Buffer, minBytes: number): ParsedKeys {
  const end = bytes.at(-1) === 0x0a ? bytes.length - 1 : bytes.length;
  if (end < minBytes)
    throw new Error(`must hold a secret of at least ${minBytes} bytes (RFC 7518 section 3.2)`);
  const secret = new Uint8Array(bytes.subarray(0, end));
  return { count: 1, find: () => secret };
}

async function readKeyFile(file: string, signal: AbortSignal): Promise<Buffer> {
  try {
    const bytes = await readFile(file, { signal });
    if (bytes.length <= LIMITS.jwksBytes) return bytes;
  } catch (error) {
    throw new Error(`cannot be read (${(error as NodeJS.ErrnoException).code}); check path and permissions`);
  }
  throw new Error(`is larger than ${LIMITS.jwksBytes} bytes`);
}

async function fetchKeys(url: string, { rootsFile }: JwksSpec, signal: AbortSignal): Promise<Buffer> {
  // Read anew each time, so that replacing the file is enough.
  const roots = rootsFile === undefined ? {} : { ca: await readKeyFile(rootsFile, signal) };
  const { get } = url.startsWith('https:') ? https : http;
  return new Promise((resolve, reject) => {
    // A connection of its own, so that nothing is left between refreshes. A redirect is not followed: config says who is asked.
    const options = { agent: false, signal, headers: { accept: 'application/json' }, ...roots };
    const request = get(url, options, (response) => {
      if (response.statusCode === 200) {
        readBounded(response, LIMITS.jwksBytes).then(resolve, reject);
        return;
      }
      request.destroy();
      reject(new Error(`answered ${response.statusCode}`));
    });
    request.on('error', reject);
  });
}
