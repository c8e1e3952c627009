// What CI has time for; `npm run fuzz` is the long run.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readSessions } from './recorded.ts';
import { TARGETS } from './targets/index.ts';

const INPUTS = 300;

test.each(TARGETS)('$name: random and damaged inputs', ({ input, check }) => {
  fc.assert(fc.property(input, check), { numRuns: INPUTS });
});

test.each(['redis', 'mongo', 'kafka', 'http2'])('%s: there is something to damage', (name) => {
  const sessions = readSessions(name);
  expect(sessions.length).toBeGreaterThan(2);
  const sides = new Set(sessions.flat().map(({ from }) => from));
  expect(sides).toEqual(new Set(['client', 'server']));
});
