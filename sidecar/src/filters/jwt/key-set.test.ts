import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../core/manual-clock.fixture.ts';
import { KeySet } from './key-set.ts';
import type { KeySource } from './keys.ts';
import { KeySetSeries } from './metrics.ts';

const REFRESH_MS = 300_000;
const MIN_MS = 10_000;

/** An issuer that answers when it is told to. */
function scripted() {
  const clock = new ManualClock(0);
  const loads: { atMs: number; answer(text: string): void; fail(): void }[] = [];
  const reports: Readonly<Record<string, unknown>>[] = [];
  let underWay = 0;
  const source: KeySource = {
    name: 'test',
    ...{ refreshMs: REFRESH_MS, minRefreshMs: MIN_MS, timeoutMs: 2_000 },
    read: (signal) => {
      underWay++;
      expect(underWay).toBe(1);
      return new Promise<Buffer>((resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')));
        loads.push({
          atMs: clock.monotonicMs(),
          answer: (text) => resolve(Buffer.from(text)),
          fail: () => reject(new Error('refused')),
        });
      }).finally(() => {
        underWay--;
      });
    },
    parse: (bytes) => {
      if (bytes.toString() === 'nonsense') throw new Error('is no JWK Set');
      return { count: 1, find: () => new Uint8Array(bytes) };
    },
  };
  const series = new KeySetSeries('demo/p', 'login');
  const report = (event: string, fields: Readonly<Record<string, unknown>>) =>
    void reports.push({ event, ...fields });
  const keys = new KeySet(source, series, { clock, random: () => 0, report });
  const answer = async (text: string) => {
    loads.at(-1)?.answer(text);
    await clock.advance(0);
  };
  const fail = async () => {
    loads.at(-1)?.fail();
    await clock.advance(0);
  };
  return { clock, loads, reports, series, keys, answer, fail };
}

describe('keys', () => {
  test('are loaded at once, and those who wait share the load', async () => {
    const { keys, loads, answer } = scripted();
    const waiting = [keys.refresh(), keys.refresh()];
    await answer('one');
    expect(await Promise.all(waiting)).toEqual([true, true]);
    expect([loads.length, keys.generation, keys.find === null]).toEqual([1, 1, false]);
  });

  test('are asked for at most once an interval, whoever asks', async () => {
    const { keys, loads, answer, clock } = scripted();
    await answer('one');
    expect(await keys.refresh()).toBe(false);
    await clock.advance(MIN_MS - 1);
    expect(await keys.refresh()).toBe(false);
    await clock.advance(1);
    const waiting = Array.from({ length: 100 }, () => keys.refresh());
    await answer('two');
    expect(new Set(await Promise.all(waiting))).toEqual(new Set([true]));
    expect(loads.length).toBe(2);
  });

  test('that are the same are no news, but are younger', async () => {
    const { keys, answer, clock, series } = scripted();
    await answer('one');
    await clock.advance(REFRESH_MS);
    await answer('one');
    expect([keys.generation, series.loaded, series.loadedMs]).toEqual([1, 2, REFRESH_MS]);
  });

  test.each(['refused', 'silent', 'nonsense'])('stay while the issuer is %s, which is told', async (how) => {
    const { keys, answer, fail, clock, series, reports, loads } = scripted();
    await answer('one');
    const { find } = keys;
    await clock.advance(REFRESH_MS);
    if (how === 'refused') await fail();
    else if (how === 'silent') await clock.advance(2_000);
    else await answer('nonsense');
    expect([keys.find === find, keys.generation, series.failed]).toEqual([true, 1, 1]);
    expect(reports).toMatchObject([{ event: 'jwks_load_failed', issuer: 'login', kept: true }]);
    // Sooner than usual, and then ever later.
    await clock.advance(MIN_MS);
    await fail();
    await clock.advance(2 * MIN_MS - 1);
    expect(loads.length).toBe(3);
    await clock.advance(1);
    expect(loads.length).toBe(4);
    await answer('two');
    expect(keys.generation).toBe(2);
  });

  test('are not asked for any more once nobody needs them', async () => {
    const { keys, answer, clock, loads, reports } = scripted();
    await answer('one');
    await clock.advance(REFRESH_MS);
    keys.close();
    await clock.advance(10 * REFRESH_MS);
    expect(await keys.refresh()).toBe(false);
    expect([loads.length, reports.length, clock.pendingTimers]).toEqual([2, 0, 0]);
  });
});

test('whatever happens, one load at a time and none closer than the interval', async () => {
  const step = fc.oneof(
    fc.record({ advance: fc.integer({ min: 0, max: 40_000 }) }),
    fc.constantFrom({ act: 'ask' }, { act: 'fail' }, { act: 'one' }, { act: 'two' }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { keys, loads, answer, fail, clock } = scripted();
      for (const entry of steps) {
        if ('advance' in entry) await clock.advance(entry.advance);
        else if (entry.act === 'ask') void keys.refresh();
        else if (entry.act === 'fail') await fail();
        else await answer(entry.act);
      }
      keys.close();
      await clock.advance(0);
      loads.forEach(({ atMs }, i) => {
        if (i > 0) expect(atMs - (loads[i - 1]?.atMs ?? 0)).toBeGreaterThanOrEqual(MIN_MS);
      });
    }),
    { numRuns: 50 },
  );
});
