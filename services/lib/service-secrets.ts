/**
 * The secrets of a service, each parsed against its schema whenever it changes.
 *
 * Invariants: a first secret that cannot be understood ends the start; a later one is refused and told, and the service goes on with what it has. No
 * message repeats a value.
 */
import type { z } from 'zod';
import { openSecrets } from '../../mesh/secrets/open-secrets.ts';
import { systemClock } from '../../sidecar/src/core/clock.ts';
import { parseConfig, placeSecrets, refuse, type ServiceConfig } from './config.ts';
import type { ReadinessCheck } from './http-server.ts';
import type { Logger } from './log.ts';

/** Calls with what there is, and with each one that follows. */
export type WatchSecret = <S extends z.ZodType>(
  name: string,
  schema: S,
  onValue: (value: z.infer<S>) => void,
) => () => void;

export interface ServiceSecrets {
  watch: WatchSecret;
  /** Names what is stale. The last good secret still works, so that alone is no reason to take requests away. */
  check: ReadinessCheck;
  close: () => Promise<void>;
}

const ALARMS = new Set([
  'vault_away',
  'vault_wrapping_refused',
  'secret_missing',
  'secret_stale',
  'secret_refused',
]);

export async function openServiceSecrets(
  config: ServiceConfig,
  configPath: string,
  log: Logger,
): Promise<ServiceSecrets> {
  const placed = placeSecrets(config, configPath);
  const report = (event: string, fields: Readonly<Record<string, unknown>>) =>
    log[ALARMS.has(event) ? 'warn' : 'info']({ event, ...fields }, 'secrets');
  const deps = { clock: systemClock, random: Math.random, report };
  const secrets = await openSecrets(placed, deps).catch((error: Error) => {
    throw refuse(configPath, error.message);
  });
  return {
    watch(name, schema, onValue) {
      const ref = placed.secrets[name];
      if (ref === undefined) throw new Error(`the config names no secret ${name}`);
      const place = 'file' in ref ? ref.file : `vault:${ref.vault}`;
      return secrets.watch(name, (secret) => onValue(parseConfig(secret.reveal(), schema, place)));
    },
    check: async () => {
      const stale = secrets.states().filter(({ staleSeconds }) => staleSeconds > 0);
      if (stale.length === 0) return 'ok';
      return stale
        .map((it) => `${it.name} is stale for ${Math.round(it.staleSeconds)} s: ${it.staleReason}`)
        .join('; ');
    },
    close: async () => secrets.close(),
  };
}
