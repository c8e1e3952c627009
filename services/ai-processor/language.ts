/**
 * Summaries and classes, by the language model where there is one that answers, else from embeddings; the answer says which.
 *
 * Invariants: a language model that fails costs its caller nothing but time; a label that was not asked for is never an answer.
 */
import type { z } from 'zod';
import type { Logger } from '../lib/log.ts';
import type { classifyAnswer, summariseAnswer } from './api.ts';
import { classify, type Embed, summarise } from './extractive.ts';
import { type Completion, type LanguageModel, LanguageModelFailure } from './language-model.ts';

interface Origin {
  answeredBy: string;
  /** Why it was not the language model, where there is one. */
  fallbackReason?: string;
}

/** Of a summary of one sentence. */
const SENTENCE_TOKENS = 64;
const LABEL_TOKENS = 32;
/** Says `answeredBy` when it was not the language model. */
export const LOCAL = 'embeddings';

export async function summariseText(
  text: string,
  sentences: number,
  model: LanguageModel | null,
  embed: Embed,
  log: Logger,
): Promise<z.infer<typeof summariseAnswer>> {
  const request = {
    instruction: `Summarise the text of the user in at most ${sentences} sentences, in its language. Answer with the summary alone.`,
    text,
    maxTokens: sentences * SENTENCE_TOKENS,
  };
  const { said, ...origin } = await ask(model, request, (answer) => answer !== '', log);
  if (said !== null) return { summary: said, truncated: false, ...origin };
  const local = await summarise(text, sentences, embed);
  return { summary: local.sentences.join(' '), truncated: local.truncated, ...origin };
}

export async function classifyText(
  text: string,
  labels: readonly string[],
  model: LanguageModel | null,
  embed: Embed,
  log: Logger,
): Promise<z.infer<typeof classifyAnswer>> {
  const request = {
    instruction: `Which one of these labels fits the text of the user best? ${JSON.stringify(labels)} Answer with the label alone.`,
    text,
    maxTokens: LABEL_TOKENS,
  };
  const { said, ...origin } = await ask(model, request, (answer) => labels.includes(answer), log);
  if (said !== null) return { label: said, truncated: false, ...origin };
  const { scores, truncated } = await classify(text, labels, embed);
  return { label: (scores[0] as (typeof scores)[0]).label, scores, truncated, ...origin };
}

async function ask(
  model: LanguageModel | null,
  request: Completion,
  isUsable: (answer: string) => boolean,
  log: Logger,
): Promise<Origin & { said: string | null }> {
  if (model === null) return { said: null, answeredBy: LOCAL };
  try {
    const said = await model.complete(request);
    if (!isUsable(said)) throw new LanguageModelFailure('unusable_answer');
    return { said, answeredBy: model.name };
  } catch (error) {
    if (!(error instanceof LanguageModelFailure)) throw error;
    log.warn({ model: model.name, reason: error.message }, 'the language model did not answer');
    return { said: null, answeredBy: LOCAL, fallbackReason: error.message };
  }
}
