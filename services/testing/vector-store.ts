/**
 * A vector store with an API of Qdrant's: the one that QDRANT_URL names, else our stand-in as its own process on a new folder.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ServiceProcess, startService } from './service-process.ts';

export interface VectorStoreServer {
  url: string;
  /** null when it is not ours. */
  process: ServiceProcess | null;
  stop: () => Promise<void>;
}

export interface OwnVectorStore extends VectorStoreServer {
  process: ServiceProcess;
}

export async function startVectorStore(config: object = {}): Promise<VectorStoreServer> {
  const given = process.env.QDRANT_URL;
  if (given) return { url: given, process: null, stop: async () => {} };
  return startOwnVectorStore(config);
}

/** For those who stop, hold or kill it. */
export async function startOwnVectorStore(config: object = {}): Promise<OwnVectorStore> {
  const folder = await mkdtemp(join(tmpdir(), 'tulle-vectors-'));
  const store = await startService('vector-store', { folder, ...config });
  return {
    url: store.url,
    process: store,
    stop: async () => {
      await store.stop();
      await rm(folder, { recursive: true });
    },
  };
}
