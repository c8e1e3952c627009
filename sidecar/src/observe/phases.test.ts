import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileChain } from '../core/chain.ts';
import { Failure } from '../core/failure.ts';
import { STEP_MS, travel } from '../filters/hand-made-exchange.ts';
import { measurePhases, NOT_REACHED, PHASES } from './phases.ts';

const chain = compileChain([]);

function phasesOf(exchange: Parameters<typeof measurePhases>[0]): Record<string, number> {
  const out = new Float64Array(PHASES.length);
  measurePhases(exchange, out);
  return Object.fromEntries(PHASES.map((phase, i) => [phase, out[i] as number]));
}

describe('phases', () => {
  test('of an exchange that went all the way', () => {
    const { exchange } = travel({ chain });
    expect(phasesOf(exchange)).toEqual({
      head: STEP_MS,
      filters: 0,
      pool: STEP_MS / 2,
      connect: STEP_MS / 2,
      request: 0,
      upstream: STEP_MS,
      response: STEP_MS,
    });
  });

  test('end where the exchange died', () => {
    const { exchange } = travel({ chain, unavailable: Failure.connectRefused });
    expect(phasesOf(exchange)).toEqual({
      head: STEP_MS,
      filters: 0,
      pool: NOT_REACHED,
      connect: STEP_MS,
      request: NOT_REACHED,
      upstream: NOT_REACHED,
      response: NOT_REACHED,
    });
    const { exchange: unreadable } = travel({ chain, requestLine: 'x' });
    expect(phasesOf(unreadable)).toMatchObject({ head: STEP_MS, filters: 0, pool: NOT_REACHED });
  });

  test('are never negative and add up to the duration, wherever the exchange ended', () => {
    const gaps = fc.array(fc.nat(1_000), { minLength: 7, maxLength: 7 });
    fc.assert(
      fc.property(gaps, fc.nat(6), fc.nat(2_000), fc.boolean(), (gap, reached, connectMs, early) => {
        const { exchange } = travel({ chain, startedMs: 1 });
        const times = { headMs: 0, filteredMs: 0, connectedMs: 0, requestEndMs: 0, responseHeadMs: 0 };
        let nowMs = exchange.startedMs;
        const points = Object.keys(times) as (keyof typeof times)[];
        points.forEach((point, i) => {
          nowMs += gap[i] as number;
          if (i < reached) times[point] = nowMs;
        });
        // The response may come before the request has ended.
        if (early && reached === 5) times.requestEndMs = 0;
        Object.assign(exchange, times, { connectMs, endedMs: nowMs + (gap[6] as number) });
        const measured = Object.values(phasesOf(exchange));
        const spent = measured.filter((ms) => ms !== NOT_REACHED);
        for (const ms of spent) expect(ms).toBeGreaterThanOrEqual(0);
        const durationMs = exchange.endedMs - exchange.startedMs;
        expect(spent.reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(durationMs, 6);
        // Phases follow each other: none after one that was not reached, but for connect without pool.
        const last = measured.findLastIndex((ms) => ms !== NOT_REACHED);
        expect(measured.slice(0, last).filter((ms) => ms === NOT_REACHED).length).toBeLessThanOrEqual(1);
      }),
    );
  });
});
