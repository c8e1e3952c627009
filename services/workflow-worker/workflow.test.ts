import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DeliveryRequest } from '../lib/contracts.ts';
import { PermanentFailure, RetryableFailure } from '../lib/job-worker.ts';
import { type Workflows, workflowFile } from '../lib/workflow-file.ts';
import { runWorkflow } from './workflow.ts';

const { workflows } = workflowFile.parse({
  workflows: {
    order: [
      { name: 'check', kind: 'require', fields: ['orderId', 'total'] },
      { name: 'print', kind: 'digest' },
      { name: 'first', kind: 'webhook', event: 'order.first' },
      { name: 'second', kind: 'webhook', event: 'order.second' },
    ],
    learn: [
      { name: 'keep', kind: 'embed', field: 'text' },
      { name: 'similar', kind: 'search', field: 'text' },
    ],
    print: [{ name: 'print', kind: 'digest' }],
  },
});

function jobOf(workflow: string, input: Record<string, unknown>) {
  const work = { workflow, webhookUrl: 'http://target/', input };
  return { id: 'run_1', tenant: 'acme', work, acceptedAtMs: 1_000, attempt: 1 };
}

async function run(workflow: string, input: Record<string, unknown>, from: Workflows = workflows) {
  const sent: DeliveryRequest[] = [];
  const kept: string[][] = [];
  const outcome = await runWorkflow(from, jobOf(workflow, input), {
    deliver: async (delivery) => void sent.push(delivery),
    keepDocument: async (...document) => void kept.push(document),
    search: async (tenant, query, limit) => [`${tenant} ${query} ${limit}`],
  });
  return { outcome, sent, kept };
}

test('a second run of the same job does and returns exactly the same', async () => {
  const input = { orderId: 1, total: 2 };
  const once = await run('order', input);
  expect(await run('order', input)).toEqual(once);
  expect(once.outcome.deliveryIds).toEqual(['run_1-first', 'run_1-second']);
  expect(once.sent[1]).toEqual({
    deliveryId: 'run_1-second',
    tenant: 'acme',
    url: 'http://target/',
    event: {
      type: 'order.second',
      timestamp: '1970-01-01T00:00:01.000Z',
      data: { runId: 'run_1', workflow: 'order', input, results: once.outcome.results },
    },
  });
});

test('a digest does not depend on the order of keys, and does on everything else', async () => {
  const digest = async (input: Record<string, unknown>) => (await run('print', input)).outcome.results.print;
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.string(), fc.jsonValue()), async (input) => {
      const plain = JSON.parse(JSON.stringify(input));
      const reversed = Object.fromEntries(Object.entries(plain).reverse());
      expect(await digest(reversed)).toBe(await digest(plain));
      expect(await digest({ ...plain, more: [plain] })).not.toBe(await digest(plain));
    }),
  );
});

test('the reason of a failure names the step, and keeps what kind of failure it is', async () => {
  await expect(run('order', { orderId: 1 })).rejects.toThrow(
    new PermanentFailure('step check: the input lacks total'),
  );
  const failing = runWorkflow(workflows, jobOf('order', { orderId: 1, total: 2 }), {
    deliver: () => Promise.reject(new RetryableFailure('busy', 5_000)),
    keepDocument: async () => {},
    search: async () => [],
  });
  await expect(failing).rejects.toMatchObject({ message: 'step first: busy', retryAfterMs: 5_000 });
});

test('a text is kept under an id of its run and step, and searched for, for the tenant of the job', async () => {
  const { kept, outcome } = await run('learn', { text: 'hello' });
  expect(kept).toEqual([['acme', 'run_1-keep', 'hello']]);
  expect(outcome.results).toEqual({ similar: ['acme hello 5'] });
});

test.each([{}, { text: '' }, { text: 1 }, { text: 'x'.repeat(8_193) }])(
  'a run whose text is %j fails for good',
  async (input) => {
    await expect(run('learn', input)).rejects.toThrow(PermanentFailure);
  },
);

test.each(['nothing', 'constructor', '__proto__'])('there is no workflow %s', async (name) => {
  await expect(run(name, {})).rejects.toThrow(PermanentFailure);
});

test('two steps of one name are refused: their deliveries would have one id', () => {
  const step = { name: 'notify', kind: 'webhook', event: 'a.b' };
  expect(workflowFile.safeParse({ workflows: { w: [step, step] } }).success).toBe(false);
});
