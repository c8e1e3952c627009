import { expect, test } from 'vitest';
import { begin, onResponseEnd, onResponseHead, onUpstreamReady } from '../../core/course.ts';
import { Failure } from '../../core/failure.ts';
import { answer, setStage } from '../../core/hand-led-exchange.ts';
import { LIMITS } from '../../core/limits.ts';
import { ManualClock } from '../../core/manual-clock.fixture.ts';
import { DeadlineFilter } from './deadline.ts';

const GRPC = 'content-type: application/grpc';

function call(clock: ManualClock, ...fields: string[]) {
  return setStage([new DeadlineFilter()], {
    requestLine: 'POST /a.B/C HTTP/1.1',
    fields,
    takesTrailers: true,
    clock,
  });
}

test('the endpoint is told what is left', async () => {
  const clock = new ManualClock(0);
  const stage = call(clock, GRPC, 'grpc-timeout: 2S');
  begin(stage.exchange);
  await clock.advance(500);
  onUpstreamReady(stage.exchange, stage.connect());
  expect(stage.exchange.request.find('grpc-timeout')).toBe('1500000u');
});

test('a call whose time is up ends, at the caller and at the endpoint', async () => {
  const clock = new ManualClock(0);
  const stage = call(clock, GRPC, 'grpc-timeout: 200m');
  begin(stage.exchange);
  onUpstreamReady(stage.exchange, stage.connect());
  await clock.advance(199);
  expect(stage.exchange.failure).toBe(Failure.none);
  await clock.advance(1 + LIMITS.deadlineTickMs);
  expect(stage.exchange.failure).toBe(Failure.deadlineExceeded);
  expect(stage.exchange.response?.find('grpc-status')).toBe('4');
  expect(stage.events).toContain('abort upstream');
});

test('one whose time was up when it came is not forwarded', () => {
  const stage = call(new ManualClock(0), GRPC, 'grpc-timeout: 0m');
  begin(stage.exchange);
  expect(stage.events).not.toContain('open');
  expect(stage.exchange.failure).toBe(Failure.deadlineExceeded);
});

test('a call that ended in time is left alone', async () => {
  const clock = new ManualClock(0);
  const stage = call(clock, GRPC, 'grpc-timeout: 200m');
  begin(stage.exchange);
  onUpstreamReady(stage.exchange, stage.connect());
  onResponseHead(stage.exchange, answer());
  onResponseEnd(stage.exchange, null);
  const events = stage.events.length;
  await clock.advance(1_000);
  expect(stage.events.length).toBe(events);
  expect(clock.pendingTimers).toBe(0);
});

test('the field means nothing outside of gRPC', async () => {
  const clock = new ManualClock(0);
  const stage = call(clock, 'grpc-timeout: 1m');
  begin(stage.exchange);
  await clock.advance(1_000);
  expect(stage.exchange.failure).toBe(Failure.none);
  expect(stage.exchange.request.find('grpc-timeout')).toBe('1m');
});
