/**
 * The worker's client of the AI processor.
 */
import { type DocumentsRequest, type SearchRequest, searchAnswer, TENANT_HEADER } from '../lib/contracts.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Outbound } from '../lib/outbound.ts';
import { failureOf } from './refusal.ts';

export interface AiProcessor {
  url: string;
  timeoutMs: number;
}

/** Where a text was found, without the text: results of a run are kept in Redis. */
export interface Finding {
  id: string;
  score: number;
}

export async function keepDocument(
  outbound: Outbound,
  ai: AiProcessor,
  tenant: string,
  document: DocumentsRequest['documents'][number],
): Promise<void> {
  await ask(outbound, ai, tenant, '/v1/documents', { documents: [document] });
}

export async function searchDocuments(
  outbound: Outbound,
  ai: AiProcessor,
  tenant: string,
  search: SearchRequest,
): Promise<Finding[]> {
  const body = await ask(outbound, ai, tenant, '/v1/search', search);
  return searchAnswer.parse(JSON.parse(body)).results.map(({ id, score }) => ({ id, score }));
}

async function ask(
  outbound: Outbound,
  ai: AiProcessor,
  tenant: string,
  route: string,
  body: object,
): Promise<string> {
  const response = await outbound.request({
    method: 'POST',
    url: new URL(route, ai.url).href,
    route,
    headers: { 'content-type': 'application/json', [TENANT_HEADER]: tenant },
    body: JSON.stringify(body),
    timeoutMs: ai.timeoutMs,
    responseBytes: LIMITS.vectorResponseBytes,
  });
  if (response.status === 200) return response.body;
  throw failureOf('ai-processor', response);
}
