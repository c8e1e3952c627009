// What the WAF promises of public lists, at paranoia 1 and 2, with the threshold of one critical rule.
import { beforeAll, describe, expect, it, test } from 'vitest';
import { readBenignLists } from './benign.ts';
import { type Attack, type List, readLists } from './lists.ts';
import { countDetected, countFalse } from './measure.ts';
import type { BenignList } from './real.ts';

const LEVELS = [1, 2] as const;
const LEAST = { sqli: 0.97, nosqli: 0.95 };
const MOST_FALSE = 0.005;
const LEAST_BENIGN = 3_000;
/** Of a list as long as protego's every so many is enough here; `npm run waf:evaluate` takes all. */
const MOST_SAMPLES = 6_000;

let lists: readonly List[] = [];
let benign: readonly BenignList[] = [];

beforeAll(async () => {
  [lists, benign] = await Promise.all([readLists(), readBenignLists()]);
});

describe.each(['sqli', 'nosqli'] as const)('%s', (attack) => {
  it.each([
    ['lists that rules were written with', false],
    ['lists that were held out', true],
  ])('%s', (_, isHeldOut) => {
    const samples = payloadsOf(attack)
      .filter((list) => list.isHeldOut === isHeldOut)
      .flatMap(thinned);
    expect(samples.length).toBeGreaterThan(100);
    for (const paranoia of LEVELS)
      expect(countDetected({ samples }, paranoia).rate).toBeGreaterThanOrEqual(LEAST[attack]);
  });
});

test('harmless bodies, forms and paths', () => {
  const requests = benign.flatMap((list) => list.requests);
  expect(requests.length).toBeGreaterThanOrEqual(LEAST_BENIGN);
  for (const paranoia of LEVELS)
    expect(countFalse({ requests }, paranoia).rate).toBeLessThanOrEqual(MOST_FALSE);
});

/** Not the tests of the Core Rule Set: most of those are pieces that only show that an expression matches, such as `cos(`. */
function payloadsOf(attack: Attack): List[] {
  return lists.filter((list) => list.attack === attack && !list.isOfRules);
}

function thinned({ samples }: List): List['samples'] {
  const step = Math.ceil(samples.length / MOST_SAMPLES);
  return samples.filter((_, index) => index % step === 0);
}
