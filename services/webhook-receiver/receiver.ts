/**
 * FOR DEMONSTRATION AND TESTS ONLY: plays a customer's webhook endpoint. It verifies signatures as a customer should, and has paths that
 * fail on purpose.
 *
 * Invariants: an unsigned or wrongly signed webhook is refused and not remembered; what it remembers is bounded, the oldest goes first.
 */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { secretRef, serviceKeys } from '../lib/config.ts';
import { Problem } from '../lib/problem.ts';
import type { ServiceParts } from '../lib/service.ts';
import { signingSecret, verifyWebhook } from '../lib/webhook-signature.ts';

export const receiverConfig = z.strictObject({
  ...serviceKeys,
  secrets: z.strictObject({ signingSecret: secretRef }),
});

type ReceiverConfig = z.infer<typeof receiverConfig>;

export interface ReceivedWebhook {
  webhookId: string;
  path: string;
  status: number;
  requestId: string | undefined;
  traceparent: string | undefined;
  body: string;
}

const REMEMBERED = 1_000;

export function buildReceiver({ http, watchSecret }: ServiceParts<ReceiverConfig>): void {
  let secret = Buffer.alloc(0);
  watchSecret('signingSecret', signingSecret, (value) => {
    secret = value;
  });
  const received: ReceivedWebhook[] = [];

  const accept = (request: FastifyRequest, isDown: (seenBefore: number) => boolean): number => {
    const body = request.body as string;
    const verdict = verifyWebhook([secret], request.headers, body, Date.now());
    if (verdict !== 'valid')
      throw new Problem({ status: 401, code: verdict, detail: 'The webhook is not signed as it must be.' });
    const webhookId = request.headers['webhook-id'] as string;
    const seenBefore = received.filter((webhook) => webhook.webhookId === webhookId).length;
    const status = isDown(seenBefore) ? 500 : 204;
    received.push({
      webhookId,
      path: request.url,
      status,
      requestId: request.headers['x-request-id'] as string | undefined,
      traceparent: request.headers.traceparent as string | undefined,
      body,
    });
    if (received.length > REMEMBERED) received.shift();
    if (status === 204) return status;
    throw new Problem({
      status,
      code: 'failing_on_purpose',
      detail: 'This path plays an endpoint in trouble.',
    });
  };

  http.register(
    async (hooks) => {
      // The signature covers the bytes, so the body has to stay what was sent.
      hooks.removeContentTypeParser('application/json');
      hooks.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) =>
        done(null, body),
      );
      hooks.post('/ok', async (request, reply) => reply.code(accept(request, () => false)).send());
      hooks.post('/fail', async (request, reply) => reply.code(accept(request, () => true)).send());
      hooks.post<{ Params: { failures: string } }>('/flaky/:failures', async (request, reply) => {
        const failures = Number(request.params.failures);
        return reply.code(accept(request, (seenBefore) => seenBefore < failures)).send();
      });
    },
    { prefix: '/hooks' },
  );
  http.get('/received', async () => ({ items: received }));
}
