import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Batcher, QueueFull } from './batcher.ts';

/** A runner that answers when it is told to. */
function openBatcher(bounds: { batch: number; queued: number; queuedPerTenant: number }) {
  const batches: string[][] = [];
  let finish: { resolve: (results: string[]) => void; reject: (error: Error) => void } | null = null;
  const batcher = new Batcher<string, string>({
    ...bounds,
    run: (items) => {
      expect(finish, 'one batch at a time').toBeNull();
      batches.push(items);
      return new Promise((resolve, reject) => {
        finish = { resolve, reject };
      });
    },
  });
  const end = async (error?: Error) => {
    const { resolve, reject } = finish ?? { resolve: () => {}, reject: () => {} };
    finish = null;
    if (error) reject(error);
    else resolve((batches.at(-1) ?? []).map((item) => `done ${item}`));
    await turn();
  };
  const endAll = async () => {
    while (finish !== null) await end();
  };
  return { batcher, batches, end, endAll };
}

const WIDE = { batch: 4, queued: 100, queuedPerTenant: 100 };

describe('what goes wrong', () => {
  test('a call that does not fit is refused whole, and changes nothing', async () => {
    const { batcher, batches, endAll } = openBatcher({ batch: 1, queued: 5, queuedPerTenant: 3 });
    const running = batcher.submit('a', ['a1']);
    const waiting = batcher.submit('a', ['a2', 'a3']);
    await expect(batcher.submit('a', ['a4', 'a5'])).rejects.toEqual(new QueueFull(true));
    const other = batcher.submit('b', ['b1', 'b2']);
    await expect(batcher.submit('c', ['c1', 'c2'])).rejects.toEqual(new QueueFull(false));
    expect(batcher.queued).toBe(4);
    await endAll();
    await Promise.all([running, waiting, other]);
    expect(batches.flat().sort()).toEqual(['a1', 'a2', 'a3', 'b1', 'b2']);
  });

  test('a batch that fails fails the calls that are in it, with all that they still wait for, and no other', async () => {
    const { batcher, batches, end, endAll } = openBatcher(WIDE);
    const failing = batcher.submit('a', ['a1', 'a2', 'a3', 'a4', 'a5']);
    const other = batcher.submit('a', ['o1']);
    const failed = expect(failing).rejects.toThrow('broken');
    await end(new Error('broken'));
    await failed;
    await endAll();
    expect(await other).toEqual(['done o1']);
    expect(batches).toEqual([['a1', 'a2', 'a3', 'a4'], ['o1']]);
  });

  test('what was given up while it waited is not computed; while it was computed, its results go nowhere', async () => {
    const { batcher, batches, endAll } = openBatcher({ ...WIDE, batch: 1 });
    const [first, second] = [new AbortController(), new AbortController()];
    const computed = batcher.submit('a', ['a1'], first.signal);
    const waiting = batcher.submit('a', ['a2', 'a3'], second.signal);
    const patient = batcher.submit('a', ['a4']);
    first.abort(new Error('gone'));
    second.abort(new Error('gone'));
    await expect(computed).rejects.toThrow('gone');
    await expect(waiting).rejects.toThrow('gone');
    await endAll();
    expect(await patient).toEqual(['done a4']);
    expect(batches).toEqual([['a1'], ['a4']]);
    await expect(batcher.submit('a', ['a5'], first.signal)).rejects.toThrow('gone');
    expect(batcher.queued).toBe(0);
  });
});

test('an idle batcher runs what comes at once; what comes meanwhile gathers', async () => {
  const { batcher, batches, endAll } = openBatcher(WIDE);
  const calls = [
    batcher.submit('a', ['1']),
    batcher.submit('a', ['2']),
    batcher.submit('a', ['3', '4', '5', '6']),
  ];
  await endAll();
  expect(batches).toEqual([['1'], ['2', '3', '4', '5'], ['6']]);
  expect(await Promise.all(calls)).toEqual([
    ['done 1'],
    ['done 2'],
    ['done 3', 'done 4', 'done 5', 'done 6'],
  ]);
});

test('tenants take turns: whoever asks for much delays itself', async () => {
  const { batcher, batches, endAll } = openBatcher({ ...WIDE, batch: 2 });
  const calls = [
    batcher.submit('busy', ['x1', 'x2', 'x3', 'x4', 'x5', 'x6']),
    batcher.submit('small', ['y1']),
    batcher.submit('other', ['z1', 'z2']),
  ];
  await endAll();
  await Promise.all(calls);
  expect(batches).toEqual([['x1', 'x2'], ['x3', 'y1'], ['z1', 'x4'], ['z2', 'x5'], ['x6']]);
});

test('nobody asks for nothing', async () => {
  expect(await openBatcher(WIDE).batcher.submit('a', [])).toEqual([]);
});

/** One thing that happens to a batcher. */
const event = fc.oneof(
  fc.record({
    kind: fc.constant('submit' as const),
    tenant: fc.constantFrom('a', 'b', 'c'),
    size: fc.nat(6),
  }),
  fc.record({ kind: fc.constant('abort' as const), call: fc.nat(20) }),
  fc.record({ kind: fc.constant('end' as const), fails: fc.boolean() }),
);
const bounds = fc.record({
  batch: fc.integer({ min: 1, max: 5 }),
  queued: fc.integer({ min: 1, max: 20 }),
  queuedPerTenant: fc.integer({ min: 1, max: 10 }),
});

test('whatever happens: bounds hold, every call ends, and whoever gets results gets its own in their order', async () => {
  await fc.assert(
    fc.asyncProperty(bounds, fc.array(event, { maxLength: 60 }), async (limits, events) => {
      const { batcher, batches, end, endAll } = openBatcher(limits);
      const controllers: AbortController[] = [];
      const calls: Promise<void>[] = [];
      for (const it of events) {
        if (it.kind === 'submit') {
          const items = Array.from({ length: it.size }, (_, at) => `${it.tenant} ${calls.length} ${at}`);
          const controller = new AbortController();
          controllers.push(controller);
          const settled = batcher.submit(it.tenant, items, controller.signal).then(
            (results) => expect(results).toEqual(items.map((item) => `done ${item}`)),
            (error) =>
              expect(['full', 'gone', 'broken']).toContain(
                error instanceof QueueFull ? 'full' : error.message,
              ),
          );
          calls.push(settled);
        } else if (it.kind === 'abort') {
          controllers[it.call]?.abort(new Error('gone'));
        } else {
          await end(it.fails ? new Error('broken') : undefined);
        }
        expect(batcher.queued).toBeLessThanOrEqual(limits.queued);
      }
      await endAll();
      await Promise.all(calls);
      expect(batcher.queued).toBe(0);
      for (const batch of batches) expect(batch.length).toBeLessThanOrEqual(limits.batch);
      expect(new Set(batches.flat()).size, 'nothing is computed twice').toBe(batches.flat().length);
    }),
  );
});
