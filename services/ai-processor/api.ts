/**
 * The requests and answers of the AI processor, and its OpenAPI document made of them.
 */
import { z } from 'zod';
import {
  documentsRequest,
  searchAnswer,
  searchRequest,
  slug,
  TENANT_HEADER,
  text,
} from '../lib/contracts.ts';
import { LIMITS } from '../lib/limits.ts';
import { describeApi, type Operation } from '../lib/openapi.ts';

export const embeddingsRequest = z.strictObject({ texts: z.array(text).min(1).max(LIMITS.textsPerRequest) });

const embeddingsAnswer = z.object({
  model: z.string(),
  dimensions: z.int(),
  embeddings: z.array(z.object({ embedding: z.array(z.number()), tokens: z.int(), truncated: z.boolean() })),
});

const documentsAnswer = z.object({
  model: z.string(),
  documents: z.array(z.object({ id: z.string(), tokens: z.int(), truncated: z.boolean() })),
});

export const documentId = z.string().min(1).max(LIMITS.documentIdChars);

const longText = z.string().min(1).max(LIMITS.longTextChars);

export const summariseRequest = z.strictObject({
  text: longText,
  sentences: z.int().min(1).max(LIMITS.summarySentences).default(3),
});

const origin = {
  /** The name of the language model, or `embeddings`. */
  answeredBy: z.string(),
  /** Why it was not the language model, where there is one. */
  fallbackReason: z.string().optional(),
  /** Only the beginning of the text was read. */
  truncated: z.boolean(),
};

export const summariseAnswer = z.object({ summary: z.string(), ...origin });

export const classifyRequest = z.strictObject({
  text,
  labels: z
    .array(z.string().min(1).max(LIMITS.labelChars))
    .min(2)
    .max(LIMITS.labels)
    .refine((labels) => new Set(labels).size === labels.length, 'the same label stands there twice')
    .meta({ uniqueItems: true }),
});

export const classifyAnswer = z.object({
  label: z.string(),
  /** Of all labels, the nearest first; a language model gives none. */
  scores: z.array(z.object({ label: z.string(), score: z.number() })).optional(),
  ...origin,
});

const headers = { [TENANT_HEADER]: slug };
const busy = {
  400: 'No tenant, or no JSON',
  413: 'The body is too large',
  415: 'The body is no JSON',
  422: 'The body has not the required form',
  429: 'Too many texts of this tenant wait',
  503: 'Too many texts wait, or for too long, or the service is draining',
};
const stored = {
  ...busy,
  502: 'The vector store cannot be reached, or gave no usable answer',
  503: `${busy[503]}, or the breaker of the vector store is open`,
  504: 'The vector store did not answer in time',
};

const operations: Operation[] = [
  {
    method: 'post',
    path: '/v1/embeddings',
    summary: 'Vectors of texts',
    headers,
    body: embeddingsRequest,
    success: { status: 200, schema: embeddingsAnswer },
    problems: busy,
  },
  {
    method: 'post',
    path: '/v1/documents',
    summary: 'Keeps documents; one whose id is there already is replaced',
    headers,
    body: documentsRequest,
    success: { status: 200, schema: documentsAnswer },
    problems: stored,
  },
  {
    method: 'delete',
    path: '/v1/documents/{id}',
    summary: 'Removes a document, whether it is there or not',
    headers,
    params: { id: documentId },
    success: { status: 204 },
    problems: stored,
  },
  {
    method: 'post',
    path: '/v1/search',
    summary: 'The documents of the tenant that are nearest to a text',
    headers,
    body: searchRequest,
    success: { status: 200, schema: searchAnswer },
    problems: stored,
  },
  {
    method: 'post',
    path: '/v1/summarise',
    summary: 'A summary of a text',
    headers,
    body: summariseRequest,
    success: { status: 200, schema: summariseAnswer },
    problems: busy,
  },
  {
    method: 'post',
    path: '/v1/classify',
    summary: 'Which of some labels fits a text best',
    headers,
    body: classifyRequest,
    success: { status: 200, schema: classifyAnswer },
    problems: busy,
  },
];

export const aiProcessorApi = describeApi(
  'AI processor',
  'Embeds texts, keeps them by tenant, finds, summarises and classifies them.',
  operations,
);
