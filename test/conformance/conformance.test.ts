// Every case through a real sidecar, whole and in pieces: any split into packets must lead to the same verdict.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Case } from './case.ts';
import { themes } from './cases/index.ts';
import { type Lanes, openLanes } from './lanes.ts';
import { type Lane, runCase } from './run-case.ts';
import { BYTE_BY_BYTE, type SplitPlan, seededPlan, seedOf, WHOLE } from './split.ts';

/** Cases that send more than this are not sent byte by byte: a packet a byte would take minutes. */
const BYTE_BY_BYTE_LIMIT = 2_000;
/** One for each plan, so that the plans of a case run side by side. */
const LANES = 4;

let lanes: Lanes;

beforeAll(async () => {
  lanes = await openLanes(LANES);
});

afterAll(() => lanes.close());

describe.each(Object.entries(themes))('%s', (_theme, cases) => {
  it.each(cases.map((testCase) => [testCase.id, testCase] as const))('%s', async (_id, testCase) => {
    const plans = plansFor(testCase);
    const outcomes = await Promise.all(
      plans.map(async (plan, i) => ({ plan, ...(await runCase(lanes.lanes[i] as Lane, testCase, plan)) })),
    );
    const differences = outcomes.flatMap(({ plan, differences: found }) =>
      found.map((difference) => `[${plan.name}] ${difference}`),
    );
    expect(differences, testCase.why).toEqual([]);
    for (const { plan, seen } of outcomes)
      expect(seen, `${testCase.id}, ${plan.name}`).toEqual(outcomes[0]?.seen);
  });
});

it('has at least 300 cases, each with a reason and an id of its own', () => {
  const all = Object.values(themes).flat();
  expect(all.length).toBeGreaterThanOrEqual(300);
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  for (const { id, why } of all) {
    expect(id).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
    expect(why, id).not.toBe('');
  }
});

function plansFor(testCase: Case): SplitPlan[] {
  const { id, send } = testCase;
  const sent = typeof send === 'string' ? send.length : send.join('').length;
  const answered = (testCase.answers ?? [])
    .map((answer) => (typeof answer === 'string' ? answer : answer.bytes).length)
    .reduce((sum, length) => sum + length, 0);
  const seeded = [seededPlan(seedOf(id)), seededPlan(seedOf(`${id} again`))];
  return sent + answered <= BYTE_BY_BYTE_LIMIT ? [WHOLE, BYTE_BY_BYTE, ...seeded] : [WHOLE, ...seeded];
}
