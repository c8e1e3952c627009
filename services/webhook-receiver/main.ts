/** `node services/webhook-receiver/main.ts --config webhook-receiver.yaml` (for demonstration and tests only) */
import { runService } from '../lib/service.ts';
import { buildReceiver, receiverConfig } from './receiver.ts';

await runService(receiverConfig, buildReceiver);
