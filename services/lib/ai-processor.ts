/**
 * How the other services call the AI processor.
 */
import type { z } from 'zod';
import type { aiProcessorKey } from './config.ts';
import { TENANT_HEADER } from './contracts.ts';
import { LIMITS } from './limits.ts';
import type { Outbound, OutboundResponse } from './outbound.ts';

export type AiProcessor = z.infer<typeof aiProcessorKey>;

/** Whatever it answers. @throws OutboundError */
export function callAi(
  outbound: Outbound,
  ai: AiProcessor,
  tenant: string,
  route: '/v1/documents' | '/v1/search',
  body: object,
): Promise<OutboundResponse> {
  return outbound.request({
    method: 'POST',
    url: new URL(route, ai.url).href,
    route,
    headers: { 'content-type': 'application/json', [TENANT_HEADER]: tenant },
    body: JSON.stringify(body),
    timeoutMs: ai.timeoutMs,
    responseBytes: LIMITS.vectorResponseBytes,
  });
}
