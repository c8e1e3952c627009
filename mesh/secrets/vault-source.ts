/**
 * Keeps a secret as Vault has it: a version of KV v2 is looked at again and again, what was lent is renewed and replaced.
 *
 * Invariants: a successor of dynamic credentials is there while the former are still good (lease.ts), and none is revoked: whoever still uses the old
 * ones has the rest of their time. When the session has logged in anew, what was lent under the former token is replaced, since it ends with that.
 */
import { pause } from '../../sidecar/src/identity/pause.ts';
import { retryDelayMs } from './backoff.ts';
import { holdLease } from './lease.ts';
import type { LiveSecret } from './live-secret.ts';
import { Secret } from './secret.ts';
import type { VaultAnswer } from './vault-client.ts';
import type { SecretsDeps, VaultSession } from './vault-session.ts';

export interface VaultRef {
  /** Below `/v1/`: `secret/data/orders` or `database/creds/orders`. */
  readonly vault: string;
  /** One of its fields; without it, all of them as JSON. */
  readonly field?: string | undefined;
  /** Between two looks at what has no lease. */
  readonly refreshSeconds: number;
}

/** Goes on until `signal` aborts. */
export async function keepVaultSecret(
  ref: VaultRef,
  live: LiveSecret,
  session: VaultSession,
  deps: SecretsDeps,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random } = deps;
  let paceMs = ref.refreshSeconds * 1_000;
  await session.loggedIn;
  for (let failures = 0; !signal.aborted; ) {
    try {
      const answer = await session.read(ref.vault);
      const lease = leaseOf(answer);
      live.publish(toSecret(ref, answer), lease?.seconds ?? null);
      failures = 0;
      if (lease === null) await pause(clock, paceMs * (0.9 + 0.2 * random()), signal);
      else {
        paceMs = lease.seconds * 1_000;
        await holdCredentials(lease);
      }
    } catch (error) {
      if (signal.aborted) return;
      live.fail(error as Error);
      await pause(clock, retryDelayMs(paceMs, failures++, random()), signal);
    }
  }

  async function holdCredentials(lease: HeldCredentials): Promise<void> {
    const tokenReplaced = new AbortController();
    const forget = session.onLogin(() => tokenReplaced.abort());
    await holdLease(
      {
        lease,
        signal: AbortSignal.any([signal, tokenReplaced.signal]),
        renew: () => session.renewLease(lease.id, lease.seconds),
        onRenewed: ({ seconds }) => live.confirm(seconds),
        onFailure: (error) => live.fail(error),
      },
      deps,
    ).finally(forget);
  }
}

interface HeldCredentials {
  readonly id: string;
  readonly seconds: number;
  readonly renewable: boolean;
}

function leaseOf({ lease_id: id, lease_duration: seconds, renewable }: VaultAnswer): HeldCredentials | null {
  return id ? { id, seconds: seconds ?? 0, renewable: renewable ?? false } : null;
}

/** The second version of KV wraps the fields once more, beside what it says about the version. */
function toSecret({ vault, field }: VaultRef, { data }: VaultAnswer): Secret {
  const fields = data?.metadata !== undefined && typeof data.data === 'object' ? data.data : data;
  if (!fields) throw new Error(`read ${vault}: there are no fields`);
  if (field === undefined) return new Secret(JSON.stringify(fields));
  if (!Object.hasOwn(fields, field)) throw new Error(`read ${vault}: there is no field \`${field}\``);
  const value = (fields as Record<string, unknown>)[field];
  return new Secret(typeof value === 'string' ? value : JSON.stringify(value));
}
