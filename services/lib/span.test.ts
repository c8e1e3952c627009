import { context, type HrTime, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { endSpan, preciseTime, startSpan } from './span.ts';
import { startTelemetry } from './telemetry.ts';

const exporter = new InMemorySpanExporter();
const telemetry = startTelemetry('test', { endpoint: 'http://unused', headSampleRatio: 1 }, [
  new SimpleSpanProcessor({ exporter }),
]);
const nanoseconds = ([seconds, nanos]: HrTime) => BigInt(seconds) * 1_000_000_000n + BigInt(nanos);

afterAll(() => telemetry.stop());
afterEach(() => vi.restoreAllMocks());

test('spans begin and end between milliseconds, children inside of their parents', () => {
  for (let i = 0; i < 50; i++) {
    const parent = startSpan('parent', {}, ROOT_CONTEXT);
    context.with(trace.setSpan(ROOT_CONTEXT, parent), () => endSpan(startSpan('child', {})));
    endSpan(parent);
  }
  const spans = exporter.getFinishedSpans();
  const between = (time: HrTime) => time[1] % 1_000_000 !== 0;
  expect(
    spans.filter(({ startTime, endTime }) => between(startTime) && between(endTime)).length,
  ).toBeGreaterThan(90);
  for (let i = 0; i < spans.length; i += 2) {
    const [child, parent] = [spans[i], spans[i + 1]];
    const times = [parent?.startTime, child?.startTime, child?.endTime, parent?.endTime].map((time) =>
      nanoseconds(time as HrTime),
    );
    expect(times).toEqual(times.toSorted((a, b) => (a < b ? -1 : Number(a > b))));
  }
});

test('the time is that of the wall clock, and follows when that is set', () => {
  for (const shiftMs of [0, 3_600_000, -3_600_000]) {
    const now = Date.now() + shiftMs;
    vi.spyOn(Date, 'now').mockReturnValue(now);
    const [seconds, nanos] = preciseTime();
    const aheadMs = seconds * 1_000 - now + nanos / 1e6;
    // A microsecond for what a double can't hold of milliseconds since 1970.
    expect(aheadMs).toBeGreaterThanOrEqual(-0.001);
    expect(aheadMs).toBeLessThanOrEqual(1.001);
    vi.restoreAllMocks();
  }
});
