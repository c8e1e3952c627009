/**
 * The gateway's way to the AI processor.
 *
 * Invariant: whoever is turned away learns why: the reason of the problem is the failure code nearest to the cause, be it the
 * vector store's breaker two hops away or the gateway's own sidecar.
 */
import { z } from 'zod';
import { TENANT_HEADER } from '../lib/contracts.ts';
import { LIMITS } from '../lib/limits.ts';
import {
  describeResponse,
  type Outbound,
  type OutboundError,
  type OutboundResponse,
} from '../lib/outbound.ts';
import { Problem, parseJson } from '../lib/problem.ts';

const refusal = z.object({ code: z.string(), reason: z.string().optional(), detail: z.string().optional() });
const PASSED_ON = new Set([429, 503, 504]);

export async function askAi(
  outbound: Outbound,
  ai: { url: string; timeoutMs: number },
  tenant: string,
  route: string,
  body: object,
): Promise<unknown> {
  const response = await outbound
    .request({
      method: 'POST',
      url: new URL(route, ai.url).href,
      route,
      headers: { 'content-type': 'application/json', [TENANT_HEADER]: tenant },
      body: JSON.stringify(body),
      timeoutMs: ai.timeoutMs,
      responseBytes: LIMITS.vectorResponseBytes,
    })
    .catch((error: OutboundError) => {
      const status = error.code === 'timeout' ? 504 : 502;
      throw new Problem({ status, code: 'ai_unavailable', detail: error.message, reason: error.code });
    });
  const answer = parseJson(response.body);
  if (response.status === 200 && answer !== undefined) return answer;
  throw toProblem(response, refusal.safeParse(answer).data);
}

function toProblem(response: OutboundResponse, why: z.infer<typeof refusal> | undefined): Problem {
  const { status, headers } = response;
  const reason = why?.reason ?? why?.code;
  const retryAfter = headers['retry-after'];
  const detail = `ai-processor ${describeResponse(response)}`;
  return new Problem({
    status: PASSED_ON.has(status) ? status : 502,
    code: 'ai_unavailable',
    detail: why?.detail === undefined ? detail : `${detail}: ${why.detail}`,
    ...(reason === undefined ? {} : { reason }),
    ...(typeof retryAfter === 'string' ? { headers: { 'retry-after': retryAfter } } : {}),
  });
}
