import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileChain } from '../core/chain.ts';
import { Failure } from '../core/failure.ts';
import { Waits } from '../core/waits.ts';
import { STEP_MS, travel } from '../filters/hand-made-exchange.ts';
import { measurePhases, NOT_REACHED, PHASES } from './phases.ts';

const chain = compileChain([]);

function phasesOf(exchange: Parameters<typeof measurePhases>[0]): Record<string, number> {
  const out = new Float64Array(PHASES.length);
  measurePhases(exchange, exchange.endedMs, out);
  return Object.fromEntries(PHASES.map((phase, i) => [phase, out[i] as number]));
}

/** What an exchange spent time in, and what it reached without. */
const reached = (exchange: Parameters<typeof phasesOf>[0]) =>
  Object.fromEntries(Object.entries(phasesOf(exchange)).filter(([, ms]) => ms !== NOT_REACHED));

describe('phases', () => {
  test('of an exchange that went all the way', () => {
    const { exchange } = travel({ chain });
    expect(reached(exchange)).toEqual({
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
    expect(reached(exchange)).toEqual({ head: STEP_MS, filters: 0, connect: STEP_MS });
    const { exchange: intruder } = travel({ chain, unavailable: Failure.tlsFailed });
    expect(reached(intruder)).toEqual({ head: STEP_MS, filters: 0, tls: STEP_MS });
    const { exchange: unreadable } = travel({ chain, requestLine: 'x' });
    expect(reached(unreadable)).toEqual({ head: STEP_MS, filters: 0 });
  });

  test('tell attempts that failed from the last one, and pauses between them', () => {
    const { exchange } = travel({ chain, startedMs: 1 });
    const times = { headMs: 2, filteredMs: 4, attemptMs: 24, connectMs: 0, connectedMs: 26 };
    Object.assign(exchange, { ...times, requestEndMs: 2, responseHeadMs: 30, endedMs: 31 });
    expect(reached(exchange)).toMatchObject({ retry: 20, pool: 2, upstream: 4, response: 1 });
    Object.assign(exchange, { responseHeadMs: 0, backoff: { cancel: () => {} } });
    expect(reached(exchange)).toEqual({ head: 1, filters: 2, retry: 27 });
  });

  test('tell a limit that was waited for from the other filters, also where the wait had no end', () => {
    const { exchange } = travel({ chain, startedMs: 1 });
    const waits = Object.assign(new Waits(), { limiterMs: 5 });
    Object.assign(exchange, { headMs: 2, filteredMs: 10, attemptMs: 10, waits });
    expect(reached(exchange)).toMatchObject({ limiter: 5, filters: 3 });
    Object.assign(waits, { limiterMs: 0, limiterSinceMs: 2 });
    Object.assign(exchange, { filteredMs: 0, endedMs: 9 });
    expect(reached(exchange)).toEqual({ head: 1, limiter: 7 });
    // Refused at once, it ended there all the same.
    Object.assign(exchange, { waits: null, failure: Failure.rateLimited, endedMs: 2 });
    expect(reached(exchange)).toEqual({ head: 1, limiter: 0 });
  });

  test('tell the handshake from the connection, and a caller that does not read from the upstream', () => {
    const { exchange } = travel({ chain, startedMs: 1 });
    const waits = Object.assign(new Waits(), { tlsMs: 6, downstreamMs: 2, downstreamSinceMs: 33 });
    const times = { headMs: 2, filteredMs: 2, attemptMs: 2, connectMs: 8, connectedMs: 12 };
    Object.assign(exchange, { ...times, requestEndMs: 2, responseHeadMs: 30, endedMs: 36, waits });
    expect(reached(exchange)).toMatchObject({ pool: 2, connect: 2, tls: 6, downstream: 5, response: 1 });
    // Of a set-up that was joined at its end, the handshake is all there was.
    exchange.connectedMs = 6;
    expect(reached(exchange)).toMatchObject({ pool: 0, connect: 0, tls: 4 });
  });

  test('are never negative and add up to the duration, wherever the exchange ended', () => {
    const points = ['headMs', 'filteredMs', 'attemptMs', 'connectedMs', 'requestEndMs', 'responseHeadMs'];
    const gaps = fc.array(fc.nat(1_000), { minLength: points.length + 1, maxLength: points.length + 1 });
    const wait = fc.nat(2_000);
    const waits = fc.option(fc.record({ limiterMs: wait, downstreamMs: wait, tlsMs: wait }));
    fc.assert(
      fc.property(
        gaps,
        fc.nat(points.length),
        fc.boolean(),
        wait,
        waits,
        (gap, count, early, setup, spent) => {
          const { exchange } = travel({ chain, startedMs: 1 });
          const times: Record<string, number> = {};
          let nowMs = exchange.startedMs;
          points.forEach((point, i) => {
            nowMs += gap[i] as number;
            times[point] = i < count ? nowMs : 0;
          });
          // An attempt begins with the first connect at the latest.
          if (count === 2) times.attemptMs = times.filteredMs as number;
          // The response may come before the request has ended.
          if (early && count === points.length) times.requestEndMs = 0;
          const endedMs = nowMs + (gap.at(-1) as number);
          Object.assign(exchange, times, { connectMs: setup, endedMs });
          exchange.waits = spent === null ? null : Object.assign(new Waits(), spent);
          const measured = Object.values(reached(exchange));
          for (const ms of measured) expect(ms).toBeGreaterThanOrEqual(0);
          expect(measured.reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(endedMs - exchange.startedMs, 6);
        },
      ),
    );
  });
});
