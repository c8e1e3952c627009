// That the observed mesh is worth observing: everything is scraped, and what is meant to go wrong does.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ObservedMesh } from './observed-mesh.ts';

let observed: ObservedMesh;

beforeAll(async () => {
  observed = await ObservedMesh.open();
  await observed.settled();
});

afterAll(() => observed?.close());

async function values(query: string, label: string): Promise<Record<string, number>> {
  const { result } = (await observed.prometheus.query('query', { query })) as {
    result: { metric: Record<string, string>; value: [number, string] }[];
  };
  return Object.fromEntries(result.map(({ metric, value }) => [metric[label], Number(value[1])]));
}

test('requests of every fate are there', async () => {
  const failures = await values('sum by (failure) (tulle_requests_total) > 0', 'failure');
  expect(Object.keys(failures)).toEqual(
    expect.arrayContaining([
      'none',
      'access_denied',
      'waf_blocked',
      'rate_limited',
      'invalid_token',
      'fault_abort',
    ]),
  );
});

test('every process is scraped by the job of its kind', async () => {
  expect(Object.keys(await values('sum by (job) (up)', 'job'))).toEqual(
    expect.arrayContaining(['tulle-sidecar', 'tulle-control-plane']),
  );
});
