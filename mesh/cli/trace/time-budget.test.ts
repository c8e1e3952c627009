import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Sketch, sketchCall, sketchTrace } from './hand-built-trace.fixture.ts';
import { accountTime } from './time-budget.ts';
import { buildTree } from './trace-tree.ts';

describe('accountTime', () => {
  it('gives every instant to the deepest thing that went on then', () => {
    // Client 1 ms either side, then a sidecar's out and in with 1 ms each: 4 ms of sidecars around 14 ms of service.
    expect(budgetOf(sketchCall('a', 'b', '/x', 200, [0, 20]))).toEqual({
      services: 16,
      'sidecars + network': 4,
    });
  });

  it('tells the wait in a queue and the waits before retries from work', () => {
    const attempt = (at: [number, number]): Sketch => ({ service: 'worker', kind: 'consumer', at });
    const sent: Sketch = {
      service: 'gateway',
      kind: 'producer',
      at: [0, 5],
      children: [attempt([12, 20]), attempt([50, 60]), attempt([160, 170])],
    };
    expect(budgetOf(sent)).toEqual({ queue: 7, 'retry waits': 130, services: 33 });
  });

  it('owns up to time in which no span was open', () => {
    const gap: Sketch[] = [
      { service: 'a', kind: 'server', at: [0, 10] },
      { service: 'b', kind: 'server', at: [30, 40] },
    ];
    expect(budgetOf(...gap)).toEqual({ services: 20, 'nothing seen': 20 });
  });

  it('adds up to the length of the trace', () => {
    const tree: fc.Memo<Sketch> = fc.memo(
      (depth): fc.Arbitrary<Sketch> =>
        fc.record({
          service: fc.constantFrom('a', 'b'),
          kind: fc.constantFrom('server', 'client', 'producer', 'consumer', 'internal' as const),
          sidecar: fc.boolean(),
          at: fc.tuple(fc.nat(100), fc.nat(100)).map(([from, took]): [number, number] => [from, from + took]),
          children: depth <= 1 ? fc.constant([]) : fc.array(tree(), { maxLength: 3 }),
        }),
    );
    fc.assert(
      fc.property(tree(4), (sketch) => {
        const built = buildTree(sketchTrace(sketch));
        const sum = [...accountTime(built).values()].reduce((total, ms) => total + ms, 0);
        expect(sum).toBeCloseTo(built.endMs - built.startMs, 3);
      }),
      { numRuns: 50 },
    );
  });
});

function budgetOf(...roots: Sketch[]): Record<string, number> {
  return Object.fromEntries(
    [...accountTime(buildTree(sketchTrace(...roots)))].map(([account, ms]) => [account, Math.round(ms)]),
  );
}
