/** `node services/gateway/main.ts --config gateway.yaml` */
import { runService } from '../lib/service.ts';
import { buildGateway, gatewayConfig } from './gateway.ts';

await runService(gatewayConfig, buildGateway);
