/** `node services/webhook-dispatcher/main.ts --config webhook-dispatcher.yaml` */
import { runService } from '../lib/service.ts';
import { buildDispatcher, dispatcherConfig } from './dispatcher.ts';

await runService(dispatcherConfig, buildDispatcher);
