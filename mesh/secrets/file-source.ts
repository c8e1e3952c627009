/**
 * Keeps a secret as a file has it, be it rendered by the agent, mounted by Kubernetes, or written by hand.
 *
 * Invariant: a file that is gone or empty for a moment changes nothing but the alarm.
 */
import { identifyFile, watchFile } from '../../sidecar/src/config/file-watch.ts';
import type { LiveSecret } from './live-secret.ts';
import { readSecretFile } from './secret-file.ts';
import type { SecretsDeps } from './vault-session.ts';

/** Rejects when the file cannot be read now: a wrong path is a mistake of the config. */
export async function keepFileSecret(
  path: string,
  live: LiveSecret,
  deps: SecretsDeps,
  signal: AbortSignal,
): Promise<void> {
  const since = await identifyFile(path);
  live.publish(readSecretFile(path));
  const watch = watchFile({
    path,
    since,
    clock: deps.clock,
    onChange() {
      try {
        live.publish(readSecretFile(path));
      } catch (error) {
        live.fail(error as Error);
      }
    },
    onPollingOnly: (reason) => deps.report('secret_polled', { secret: live.name, reason }),
  });
  signal.addEventListener('abort', () => watch.close(), { once: true });
}
