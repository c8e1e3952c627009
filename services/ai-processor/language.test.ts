// Summaries and classes: by a language model whose key is in a real Vault, and without it.
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startVault, type Vault } from '../../mesh/secrets/vault.fixture.ts';
import { findMiniLm } from '../../test/parts/minilm.ts';
import { waitFor } from '../testing/platform.ts';
import { type ServiceProcess, startService } from '../testing/service-process.ts';

interface Asked {
  headers: IncomingHttpHeaders;
  body: { model: string; messages: { role: string; content: string }[] };
}

let vault: Vault;
let endpoint: Server;
let ai: ServiceProcess;
let asked: Asked;
let answer: (asked: Asked) => { status?: number; body: unknown } | null;

const say = (content: string) => () => ({
  body: {
    model: 'tiny-1',
    choices: [{ message: { content } }],
    usage: { prompt_tokens: 1, completion_tokens: 1 },
  },
});

beforeAll(async () => {
  endpoint = createServer(async (request, response) => {
    let text = '';
    for await (const part of request) text += part;
    asked = { headers: request.headers, body: JSON.parse(text) };
    const said = answer(asked);
    if (said === null) return void request.socket.destroy();
    response.writeHead(said.status ?? 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(said.body));
  });
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
  vault = await startVault();
  await vault.bao.call('POST', 'secret/data/ai-processor/ai', { data: { key: 'sk-first' } });
  const policy = 'path "secret/data/ai-processor/*" { capabilities = ["read"] }';
  ai = await startService('ai-processor', {
    model: { folder: await findMiniLm() },
    secrets: { languageModel: { vault: 'secret/data/ai-processor/ai', field: 'key', refreshSeconds: 1 } },
    vault: await vault.addRole('ai-processor', policy),
    languageModel: {
      url: `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}`,
      model: 'tiny',
      timeoutMs: 10_000,
    },
  });
});
afterAll(async () => {
  await ai?.stop();
  await vault?.stop();
  endpoint.closeAllConnections();
  endpoint.close();
});

async function post(path: string, body: object) {
  const headers = { 'content-type': 'application/json', 'x-tenant-id': 'acme' };
  const response = await fetch(ai.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  expect(response.status).toBe(200);
  return response.json() as Promise<Record<string, unknown>>;
}

const CATS =
  'Cats sleep most of the day. Cats rest on warm rugs. A cat naps for hours. Share prices fell on Monday.';
const classify = () =>
  post('/v1/classify', {
    text: 'My parcel never arrived.',
    labels: ['billing', 'delivery problem', 'praise'],
  });

describe('a language model that is of no use leaves the answer to the embeddings, and that is said', () => {
  test.each([
    ['is gone', () => null, 'unreachable'],
    ['is busy', () => ({ status: 429, body: {} }), 'status_429'],
    ['speaks another language', () => ({ body: { hello: 1 } }), 'unknown_form'],
    ['makes up a label', say('weather'), 'unusable_answer'],
  ])('one that %s', async (_what, said, fallbackReason) => {
    answer = said;
    expect(await classify()).toMatchObject({
      label: 'delivery problem',
      answeredBy: 'embeddings',
      fallbackReason,
      scores: [{ label: 'delivery problem' }, {}, {}],
    });
    const log = ai.lines.findLast(({ message }) => message === 'the language model did not answer');
    expect(log).toMatchObject({ level: 'warn', reason: fallbackReason });
  });

  test('a summary, too: sentences of the text in their order, none of them said twice', async () => {
    answer = () => null;
    const { summary, ...rest } = await post('/v1/summarise', { text: CATS, sentences: 1 });
    expect(summary).toMatch(/^(Cats sleep most of the day|Cats rest on warm rugs|A cat naps for hours)\.$/);
    expect(rest).toEqual({ answeredBy: 'embeddings', fallbackReason: 'unreachable', truncated: false });
    const twice = await post('/v1/summarise', { text: `${CATS} ${CATS}`, sentences: 5 });
    const sentences = String(twice.summary).split(/(?<=\.) /);
    expect(new Set(sentences).size).toBe(sentences.length);
    const all = await post('/v1/summarise', { text: 'One.\n\nTwo.', sentences: 2 });
    expect(all.summary).toBe('One. Two.');
    const endless = await post('/v1/summarise', { text: 'It is late. '.repeat(200), sentences: 2 });
    expect(endless).toMatchObject({ summary: 'It is late.', truncated: true });
  });
});

test('a language model that answers is believed, and is told what to do apart from the text', async () => {
  answer = say(' A cat sleeps. ');
  expect(await post('/v1/summarise', { text: CATS, sentences: 2 })).toEqual({
    summary: 'A cat sleeps.',
    answeredBy: 'tiny',
    truncated: false,
  });
  expect(asked.body.messages).toEqual([
    { role: 'system', content: expect.stringContaining('at most 2 sentences') },
    { role: 'user', content: CATS },
  ]);
  answer = say('praise');
  expect(await classify()).toEqual({ label: 'praise', answeredBy: 'tiny', truncated: false });
});

test('the key comes from Vault, follows it, and stands in no log', async () => {
  answer = say('praise');
  await classify();
  expect(asked.headers.authorization).toBe('Bearer sk-first');
  await vault.bao.call('POST', 'secret/data/ai-processor/ai', { data: { key: 'sk-second' } });
  const keyInUse = async () => {
    await classify();
    return asked.headers.authorization;
  };
  await waitFor('the new key', keyInUse, (key) => key === 'Bearer sk-second');
  expect(JSON.stringify(ai.lines)).not.toContain('sk-');
});
