/** `node services/workflow-worker/main.ts --config workflow-worker.yaml` */
import { runService } from '../lib/service.ts';
import { buildWorker, workerConfig } from './worker.ts';

await runService(workerConfig, buildWorker);
