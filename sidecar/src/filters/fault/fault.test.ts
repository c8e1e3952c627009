import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { seededRandom } from '../../../../test/seeded-random.ts';
import { compileChain } from '../../core/chain.ts';
import { begin, onDownstreamGone } from '../../core/course.ts';
import { Failure } from '../../core/failure.ts';
import { type Stage, type StageOptions, setStage } from '../../core/hand-led-exchange.ts';
import { LIMITS } from '../../core/limits.ts';
import { ManualClock } from '../../core/manual-clock.fixture.ts';
import { RandomWords } from '../../observe/random-words.ts';
import { travel } from '../hand-made-exchange.ts';
import { spec } from './config.ts';
import { FaultFilter } from './fault.ts';
import { FaultSeries } from './metrics.ts';

function createFault(policy: z.input<typeof spec>) {
  const series = new FaultSeries('outbound', 'orders');
  const named = { namespace: 'shop', name: 'chaos', spec: spec.parse(policy) };
  return { series, filter: new FaultFilter(named, series, new RandomWords(seededRandom(7))) };
}

describe('abort', () => {
  test('answers in the name of the policy, with the status that it says', () => {
    const { series, filter } = createFault({ abort: { httpStatus: 418, grpcStatus: 8 } });
    const chain = compileChain([filter]);
    const { exchange, forwarded, body } = travel({ chain });
    expect(forwarded).toBeNull();
    expect(exchange).toMatchObject({ status: 418, failure: { code: Failure.faultAbort.code } });
    expect(JSON.parse(body)).toMatchObject({ status: 418, code: 'fault_abort', source: 'policy' });
    const call = travel({ chain, fields: ['host: a', 'content-type: application/grpc'] });
    expect(call.exchange).toMatchObject({ status: 200, grpcStatus: 8 });
    expect(series.aborts).toBe(2);
  });

  test('comes to the share that is asked for', () => {
    const { series, filter } = createFault({ abort: { percentage: 20 } });
    const chain = compileChain([filter]);
    const count = 2_000;
    let passed = 0;
    for (let i = 0; i < count; i++) if (travel({ chain }).forwarded !== null) passed++;
    expect(series.aborts + passed).toBe(count);
    // Four standard deviations of a binomial count.
    expect(Math.abs(series.aborts - count * 0.2)).toBeLessThan(4 * Math.sqrt(count * 0.2 * 0.8));
  });

  test('is for those alone whose fields match', () => {
    const headers = [
      { name: 'X-Try', value: 'a,b' },
      { name: 'user-agent', value: 'test' },
    ];
    const chain = compileChain([createFault({ headers, abort: {} }).filter]);
    const aborted = (...fields: string[]) =>
      travel({ chain, fields: ['host: a', ...fields] }).forwarded === null;
    expect(aborted('x-TRY: a,b', 'user-agent: test')).toBe(true);
    expect(aborted('x-try: a', 'user-agent: test', 'x-try: b')).toBe(true);
    expect(aborted('x-try: a,b')).toBe(false);
    expect(aborted('x-try: A,B', 'user-agent: test')).toBe(false);
    expect(aborted('x-tru: a,b', 'user-agent: test')).toBe(false);
    expect(aborted('x-try: b', 'user-agent: test', 'x-try: a')).toBe(false);
  });

  test('in shadow is only counted and noted', () => {
    const { series, filter } = createFault({ mode: 'shadow', abort: {}, delay: { delayMs: 1_000 } });
    const { exchange, forwarded } = travel({ chain: compileChain([filter]) });
    expect(forwarded).not.toBeNull();
    expect(exchange).toMatchObject({
      failure: Failure.none,
      shadow: 'fault shop/chaos delay,fault shop/chaos abort',
    });
    expect(series).toMatchObject({ shadowAborts: 1, shadowDelays: 1, aborts: 0, delays: 0, delayed: 0 });
  });
});

describe('delay', () => {
  function delayed(policy: z.input<typeof spec>, options: StageOptions = {}) {
    const clock = new ManualClock(0);
    const { series, filter } = createFault(policy);
    const stage = setStage([filter], { ...options, clock });
    begin(stage.exchange);
    return { clock, series, filter, ...stage };
  }

  test('ends no earlier than asked for, and once', async () => {
    const { clock, series, events } = delayed({ delay: { delayMs: 300 } });
    await clock.advance(299);
    expect(events).toEqual([]);
    expect(series.delayed).toBe(1);
    await clock.advance(LIMITS.deadlineTickMs * 2);
    expect(events).toEqual(['open']);
    expect(series).toMatchObject({ delayed: 0, delays: 1 });
    await clock.advance(1_000);
    expect(events).toEqual(['open']);
  });

  test('may end in an abort', async () => {
    const { clock, events, series } = delayed({ delay: { delayMs: 100 }, abort: {} });
    await clock.advance(200);
    expect(events).toEqual(['head 503', 'body', 'response end', 'end', 'release']);
    expect(series).toMatchObject({ delayed: 0, delays: 1, aborts: 1 });
  });

  test('ends with a caller who leaves', async () => {
    const { clock, events, series, exchange } = delayed({ delay: { delayMs: 100 } });
    onDownstreamGone(exchange, Failure.downstreamAborted);
    expect(series.delayed).toBe(0);
    await clock.advance(200);
    expect(events).toEqual(['end', 'release']);
    expect(clock.pendingTimers).toBe(0);
  });

  test('is for so many at once, and not for those beyond', () => {
    const { filter, series } = createFault({ delay: { delayMs: 100 } });
    let last: Stage = setStage([filter]);
    for (let i = 0; i <= LIMITS.delayedExchanges; i++) {
      last = setStage([filter]);
      begin(last.exchange);
    }
    expect(last.events).toEqual(['open']);
    expect(series).toMatchObject({ delayed: LIMITS.delayedExchanges, skippedDelays: 1 });
  });
});
