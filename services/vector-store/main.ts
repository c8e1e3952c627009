/** `node services/vector-store/main.ts --config vector-store.yaml` */
import { runService } from '../lib/service.ts';
import { buildVectorStore, vectorStoreConfig } from './vector-store.ts';

await runService(vectorStoreConfig, buildVectorStore);
