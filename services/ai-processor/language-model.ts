/**
 * A language model behind an endpoint of OpenAI's form (`POST /v1/chat/completions`), by way of the sidecar.
 *
 * Invariants: the key comes from a secret and goes nowhere but into the request; a refusal, a late or an odd answer is a
 * LanguageModelFailure with a reason that may be shown to callers.
 */
import { SpanKind } from '@opentelemetry/api';
import {
  ATTR_GEN_AI_OPERATION_NAME,
  ATTR_GEN_AI_REQUEST_MODEL,
  ATTR_GEN_AI_RESPONSE_MODEL,
  ATTR_GEN_AI_USAGE_INPUT_TOKENS,
  ATTR_GEN_AI_USAGE_OUTPUT_TOKENS,
} from '@opentelemetry/semantic-conventions/incubating';
import { z } from 'zod';
import { codeOf, type Outbound, type OutboundError } from '../lib/outbound.ts';
import { parseJson } from '../lib/problem.ts';
import { inSpan } from '../lib/span.ts';

export interface LanguageModelOptions {
  url: string;
  model: string;
  timeoutMs: number;
  key: () => string | undefined;
}

export interface Completion {
  /** What it is to do. */
  instruction: string;
  /** What it is to do that with; never taken for an instruction by us, whatever the model may do. */
  text: string;
  maxTokens: number;
}

export class LanguageModelFailure extends Error {
  override name = 'LanguageModelFailure';
}

const answer = z.object({
  model: z.string().optional(),
  choices: z.array(z.object({ message: z.object({ content: z.string() }) })).min(1),
  usage: z.object({ prompt_tokens: z.int(), completion_tokens: z.int() }).optional(),
});

export class LanguageModel {
  readonly name: string;
  readonly #outbound: Outbound;
  readonly #options: LanguageModelOptions;

  constructor(outbound: Outbound, options: LanguageModelOptions) {
    this.name = options.model;
    this.#outbound = outbound;
    this.#options = options;
  }

  /** @throws LanguageModelFailure */
  complete(completion: Completion): Promise<string> {
    const attributes = { [ATTR_GEN_AI_OPERATION_NAME]: 'chat', [ATTR_GEN_AI_REQUEST_MODEL]: this.name };
    return inSpan(`chat ${this.name}`, { kind: SpanKind.CLIENT, attributes }, async (span) => {
      const { model, usage, choices } = await this.#ask(completion);
      if (model !== undefined) span.setAttribute(ATTR_GEN_AI_RESPONSE_MODEL, model);
      if (usage) {
        span.setAttribute(ATTR_GEN_AI_USAGE_INPUT_TOKENS, usage.prompt_tokens);
        span.setAttribute(ATTR_GEN_AI_USAGE_OUTPUT_TOKENS, usage.completion_tokens);
      }
      return (choices[0] as (typeof choices)[0]).message.content.trim();
    });
  }

  async #ask({ instruction, text, maxTokens }: Completion): Promise<z.infer<typeof answer>> {
    const { url, model, timeoutMs, key } = this.#options;
    const secret = key();
    const response = await this.#outbound
      .request({
        method: 'POST',
        url: new URL('/v1/chat/completions', url).href,
        route: '/v1/chat/completions',
        headers: {
          'content-type': 'application/json',
          ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
        },
        body: JSON.stringify({
          model,
          temperature: 0,
          max_tokens: maxTokens,
          messages: [
            { role: 'system', content: instruction },
            { role: 'user', content: text },
          ],
        }),
        timeoutMs,
      })
      .catch((error: OutboundError) => {
        throw new LanguageModelFailure(error.code);
      });
    if (response.status !== 200) {
      throw new LanguageModelFailure(codeOf(response) ?? `status_${response.status}`);
    }
    const parsed = answer.safeParse(parseJson(response.body));
    if (!parsed.success) throw new LanguageModelFailure('unknown_form');
    return parsed.data;
  }
}
