import { appendFile, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { RunningContender } from './contenders/contender.ts';
import { Evidence } from './evidence.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-evidence-'));
});
afterEach(() => rm(folder, { recursive: true }));

function contenderWith(log: string, spans: number | null): RunningContender {
  const collected = spans === null ? null : () => spans;
  return { port: 0, pids: [], accessLogs: [log], spans: collected, stop: async () => {} };
}

async function evidenceOf(lines: number, requests: number, spans: number | null): Promise<string | null> {
  const log = join(folder, 'access.log');
  await appendFile(log, 'line\n'.repeat(lines));
  const evidence = new Evidence();
  const contender = contenderWith(log, spans);
  await evidence.collect(contender, requests);
  evidence.finish(contender);
  return evidence.findGap();
}

test('a line for each request and 1 % of spans is proof enough', async () => {
  expect(await evidenceOf(1000, 1000, 10)).toBeNull();
  expect(await evidenceOf(1000, 1000, null)).toBeNull();
});

test('dropped lines and missing spans are gaps', async () => {
  expect(await evidenceOf(900, 1000, 10)).toBe(
    '1000 requests: access log has 900 lines, at least 950 expected',
  );
  expect(await evidenceOf(1000, 1000, 1)).toBe('1000 requests: 1 spans exported, at least 5 expected');
});

test('lines are counted once, also of a writer that leaves a hole behind', async () => {
  const log = join(folder, 'access.log');
  const evidence = new Evidence();
  const contender = contenderWith(log, null);
  const writer = await open(log, 'w');
  for (let round = 1; round <= 3; round++) {
    await writer.write('{}\n'.repeat(round * 10));
    await evidence.collect(contender, round * 10);
  }
  await writer.close();
  expect(evidence.describe()).toBe('60 requests, 60 log lines');
  expect(evidence.findGap()).toBeNull();
});
