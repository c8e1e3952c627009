/**
 * Secrets by name, from files and from Vault, for the whole life of a process.
 *
 * Invariants: all secrets are there when this resolves, or it rejects with the name of one that is not and why; from then on `get` always has the last good
 * one. Nothing here writes a secret anywhere.
 */
import { keepFileSecret } from './file-source.ts';
import { LIMITS } from './limits.ts';
import { LiveSecret, type OnSecret, type SecretState } from './live-secret.ts';
import type { Secret } from './secret.ts';
import { type SecretsDeps, type VaultConfig, VaultSession } from './vault-session.ts';
import { keepVaultSecret, type VaultRef } from './vault-source.ts';

export type SecretRef = { readonly file: string } | VaultRef;

/** With absolute paths. */
export interface SecretsConfig {
  readonly vault?: VaultConfig | undefined;
  readonly secrets: Readonly<Record<string, SecretRef>>;
}

export interface Secrets {
  get(name: string): Secret;
  /** Calls with what there is, and with each one that follows. Returns how to end that. */
  watch(name: string, onSecret: OnSecret): () => void;
  states(): SecretState[];
  /** Why Vault is of no use now; null while it is, or is not needed. */
  readonly vaultAwayReason: string | null;
  close(): void;
}

export async function openSecrets(config: SecretsConfig, deps: SecretsDeps): Promise<Secrets> {
  const stop = new AbortController();
  const lives = new Map<string, LiveSecret>();
  const entries = Object.entries(config.secrets);
  const fromVault = entries.find(([, ref]) => 'vault' in ref);
  if (fromVault && !config.vault)
    throw new Error(`the secret ${fromVault[0]} comes from Vault, and the config has no \`vault\``);
  if (entries.length > LIMITS.secrets) throw new Error(`more than ${LIMITS.secrets} secrets`);
  const session = fromVault && config.vault ? new VaultSession(config.vault, deps) : null;
  const close = () => {
    stop.abort();
    session?.close();
  };
  try {
    for (const [name, ref] of entries) {
      const live = new LiveSecret(name, deps);
      lives.set(name, live);
      if ('file' in ref) await keepFileSecret(ref.file, live, deps, stop.signal);
      else void keepVaultSecret(ref, live, session as VaultSession, deps, stop.signal);
    }
    await waitForAll([...lives.values()], session);
  } catch (error) {
    close();
    throw error;
  }
  const find = (name: string): LiveSecret => {
    const live = lives.get(name);
    if (live === undefined) throw new Error(`no secret is called ${name}`);
    return live;
  };
  return {
    get: (name) => find(name).current as Secret,
    watch: (name, onSecret) => find(name).watch(onSecret),
    states: () => [...lives.values()].map((live) => live.state()),
    get vaultAwayReason() {
      return session?.awayReason ?? null;
    },
    close,
  };
}

async function waitForAll(lives: readonly LiveSecret[], session: VaultSession | null): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  // Unlike the timers of the injected clock it keeps the process: while it starts there may be nothing else that does.
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const missing = lives.find(({ current }) => current === null);
      const reason = session?.awayReason ?? missing?.staleReason;
      reject(
        new Error(`the secret ${missing?.name} was not there within ${LIMITS.startPatienceMs} ms: ${reason}`),
      );
    }, LIMITS.startPatienceMs);
  });
  try {
    await Promise.race([Promise.all(lives.map(({ arrived }) => arrived)), late]);
  } finally {
    clearTimeout(timer);
  }
}
