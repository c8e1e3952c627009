/**
 * The worker's client of the AI processor.
 */
import { type AiProcessor, callAi } from '../lib/ai-processor.ts';
import { type DocumentsRequest, type SearchRequest, searchAnswer } from '../lib/contracts.ts';
import type { Outbound } from '../lib/outbound.ts';
import { failureOf } from './refusal.ts';

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

async function ask(...call: Parameters<typeof callAi>): Promise<string> {
  const response = await callAi(...call);
  if (response.status === 200) return response.body;
  throw failureOf('ai-processor', response);
}
