import { expect, it } from 'vitest';
import { rotateUnderLoad } from './measure.ts';

it('a root is replaced under load, from its preparation to the end of the old one, and no request fails', {
  timeout: 120_000,
}, async () => {
  const { flows, roots, signers, kept, troubles } = await rotateUnderLoad({
    svidTtlSeconds: 8,
    rotations: 1,
  });
  expect(flows.map(({ name, failures }) => [name, [...failures]])).toEqual(
    flows.map(({ name }) => [name, []]),
  );
  expect(flows).toHaveLength(8);
  for (const { answered } of flows) expect(answered).toBeGreaterThan(50);
  const [before, after] = roots;
  expect(after).not.toBe(before);
  expect([...signers]).toEqual([after]);
  expect(kept).toBe(0);
  expect(troubles).toEqual([]);
});
