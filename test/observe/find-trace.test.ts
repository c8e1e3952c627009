// Whoever asks the control plane for a request gets the spans of all hops, also of one that nobody had a reason to keep.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { answerTrace } from '../../mesh/control/trace-answer.ts';
import type { AnsweredTrace } from '../../mesh/control/trace-questions.ts';
import { Shop, spansOf } from '../retention/shop.ts';

/** Until the services' SDKs have sent their spans. */
const APP_SPANS_MS = 1_500;

let shop: Shop;

beforeAll(async () => {
  // Nobody listens there: what can't be exported can be found all the same.
  shop = await Shop.open({ collectorPort: 9, headSampleRatio: 0 });
});

afterAll(() => shop.close());

async function ask(id: string): Promise<AnsweredTrace> {
  const reply = await answerTrace(`/traces/${id}`, shop.questions);
  expect(reply?.status).toBe(200);
  return reply?.body as AnsweredTrace;
}

test.each(['', 'rates=500'])(
  'a request with the trouble %j is found by its id and by its trace',
  async (trouble) => {
    const traceId = randomBytes(16).toString('hex');
    const { status, requestId } = await shop.request(traceId, trouble);
    expect(status).toBe(trouble === '' ? 200 : 502);
    await sleep(APP_SPANS_MS);
    const found = await ask(traceId);
    expect(found).toMatchObject({ traceId, requestId, asked: 5, answered: 5 });
    expect(found.spans).toHaveLength(spansOf(trouble));
    const again = await ask(requestId);
    expect(again).toMatchObject({ traceId, requestId, answered: 5 });
    expect(again.spans.map(({ spanId }) => spanId)).toEqual(found.spans.map(({ spanId }) => spanId));

    const hops = found.spans.map(({ service, component, name }) => `${service} ${component} ${name}`);
    expect(new Set(hops).size).toBe(spansOf(trouble));
    const ids = new Set(found.spans.map(({ spanId }) => spanId));
    const roots = found.spans.filter(({ parentId }) => parentId === null || !ids.has(parentId));
    expect(roots.map(({ service, component }) => `${service} ${component}`)).toEqual(['gateway sidecar']);
  },
);

test('what nobody knows, and what is no id, is said to be so', async () => {
  const status = async (id: string) => (await answerTrace(`/traces/${id}`, shop.questions))?.status;
  expect(await status('f'.repeat(32))).toBe(404);
  expect(await status('no-such-request')).toBe(404);
  expect(await status('a%20b')).toBe(400);
  expect(await answerTrace('/other', shop.questions)).toBeNull();
});
