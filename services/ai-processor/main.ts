/** `node services/ai-processor/main.ts --config ai-processor.yaml` */
import { runService } from '../lib/service.ts';
import { aiProcessorConfig, buildAiProcessor } from './ai-processor.ts';

await runService(aiProcessorConfig, buildAiProcessor);
