/**
 * The three things that the applier does with Vault.
 */
import { type VaultAddress, VaultClient, type VaultFailure } from '../../mesh/secrets/vault-client.ts';

type Fields = Readonly<Record<string, unknown>>;

export class VaultApi {
  readonly #client: VaultClient;

  constructor(address: VaultAddress) {
    this.#client = new VaultClient(address);
  }

  /** Null when nothing is there. Paths are below `/v1/`; failures are VaultFailures. */
  read(path: string): Promise<Fields | null> {
    return orNull(this.#client.call(`read ${path}`, (vault) => vault.read(path)));
  }

  list(path: string): Promise<Fields | null> {
    return orNull(this.#client.call(`list ${path}`, (vault) => vault.list(path)));
  }

  async write(path: string, body: Fields): Promise<void> {
    await this.#client.call(`write ${path}`, (vault) => vault.write(path, body));
  }

  close(): void {
    this.#client.close();
  }
}

async function orNull(answer: ReturnType<VaultClient['call']>): Promise<Fields | null> {
  try {
    return (await answer).data ?? null;
  } catch (error) {
    if ((error as VaultFailure).status === 404) return null;
    throw error;
  }
}
