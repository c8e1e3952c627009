/**
 * The agent: keeps files in step with Vault, beside services that read files.
 *
 * Invariants: it is ready when every file is there; files are written one after the other, each as a whole, the newest last; a secret that cannot be
 * rendered leaves the former file.
 */
import type { AgentConfig, AgentFile } from './agent-config.ts';
import { openSecrets, type Secrets } from './open-secrets.ts';
import { prepareFolder, renderFile } from './render.ts';
import type { Secret } from './secret.ts';
import type { SecretsDeps } from './vault-session.ts';

export interface Agent {
  readonly secrets: Secrets;
  stop(): Promise<void>;
}

export async function startAgent({ vault, folder, files }: AgentConfig, deps: SecretsDeps): Promise<Agent> {
  await prepareFolder(folder);
  const refs = Object.fromEntries(files.map(({ name, ref }) => [name, ref]));
  const secrets = await openSecrets({ vault, secrets: refs }, deps);
  const taken = new Map<AgentFile, Secret>();
  let writing = Promise.resolve();
  const write = async ({ name, mode, template }: AgentFile, secret: Secret): Promise<void> => {
    const content = template === null ? secret : template.render(secret);
    await renderFile(folder.path, name, content, mode);
    deps.report('secret_rendered', { secret: name });
  };
  const failed = (name: string) => (error: Error) =>
    deps.report('secret_not_rendered', { secret: name, reason: error.message });
  try {
    // What cannot be written now is a mistake of the config or of the machine, and ends the start.
    for (const file of files) {
      const first = secrets.get(file.name);
      await write(file, first);
      taken.set(file, first);
    }
  } catch (error) {
    secrets.close();
    throw error;
  }
  for (const file of files) {
    secrets.watch(file.name, (secret) => {
      if (secret === taken.get(file)) return;
      taken.set(file, secret);
      writing = writing.then(() => write(file, secret)).catch(failed(file.name));
    });
  }
  return {
    secrets,
    async stop() {
      secrets.close();
      await writing;
    },
  };
}
