/**
 * The gateway's way to the AI processor.
 *
 * Invariant: whoever is turned away learns why: the reason of the problem is the failure code nearest to the cause, be it the
 * vector store's breaker two hops away or the gateway's own sidecar.
 */
import { z } from 'zod';
import { type AiProcessor, callAi } from '../lib/ai-processor.ts';
import {
  describeResponse,
  type Outbound,
  type OutboundError,
  type OutboundResponse,
  retryAfterOf,
  statusOf,
} from '../lib/outbound.ts';
import { Problem, parseJson } from '../lib/problem.ts';

const refusal = z.object({ code: z.string(), reason: z.string().optional(), detail: z.string().optional() });
const PASSED_ON = new Set([429, 503, 504]);

export async function askAi(
  outbound: Outbound,
  ai: AiProcessor,
  tenant: string,
  route: Parameters<typeof callAi>[3],
  body: object,
): Promise<unknown> {
  const response = await callAi(outbound, ai, tenant, route, body).catch((error: OutboundError) => {
    const { code: reason, message: detail } = error;
    throw new Problem({ status: statusOf(error), code: 'ai_unavailable', detail, reason });
  });
  const answer = parseJson(response.body);
  if (response.status === 200 && answer !== undefined) return answer;
  throw toProblem(response, refusal.safeParse(answer).data);
}

function toProblem(response: OutboundResponse, why: z.infer<typeof refusal> | undefined): Problem {
  const { status } = response;
  const reason = why?.reason ?? why?.code;
  const detail = `ai-processor ${describeResponse(response)}`;
  return new Problem({
    status: PASSED_ON.has(status) ? status : 502,
    code: 'ai_unavailable',
    detail: why?.detail === undefined ? detail : `${detail}: ${why.detail}`,
    ...(reason === undefined ? {} : { reason }),
    headers: retryAfterOf(response),
  });
}
