// What a service's span is worth depends on when it comes: before its trace was kept, after, or when that is forgotten.
import { Client, credentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ManualClock } from '../../core/manual-clock.fixture.ts';
import { OBSERVE_LIMITS } from '../limits.ts';
import { RESOURCE } from '../own-span.fixture.ts';
import { keepTraces, type TraceKeeping } from '../retention/trace-keeping.ts';
import { SpanWriter } from '../span-writer.ts';
import type { AppSpans } from './app-spans.ts';
import { EXPORT, type Intake, startIntake } from './intake.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const OTHER = 'f'.repeat(32);

let clock: ManualClock;
let keeping: TraceKeeping;
let appSpans: AppSpans;
let intake: Intake;
let service: Client;

beforeEach(async () => {
  clock = new ManualClock(0);
  const listen = { host: '127.0.0.1', port: 0 };
  keeping = keepTraces({ ringSpans: 16, slowShare: 0, intake: listen }, { clock, random: () => 7 });
  appSpans = keeping.appSpans as AppSpans;
  intake = await startIntake(listen, appSpans, keeping.retention);
  service = new Client(`127.0.0.1:${intake.port}`, credentials.createInsecure());
});

afterEach(() => {
  service.close();
  intake.close();
  keeping.retention.close();
});

/** As the SDK of a service does it. */
function send(traceId: string): Promise<void> {
  const span = {
    ...{ traceId, spanId: '00f067aa0ba902b7', parentId: null, name: 'step', kind: 'internal' as const },
    ...{ service: '', instance: '', component: 'service' as const, startMs: 1, endMs: 2, attributes: {} },
    ...{ events: [], error: false, errorMessage: '', usual: null },
  };
  const request = new SpanWriter().write([span], { ...RESOURCE });
  return new Promise((resolve, reject) => {
    service.makeUnaryRequest(
      EXPORT.path,
      EXPORT.requestSerialize,
      EXPORT.responseDeserialize,
      request,
      (error) => (error === null ? resolve() : reject(error)),
    );
  });
}

const keep = (traceId: string) => keeping.retention.keepTold(Buffer.from(traceId, 'hex'));

test('a span that lay here when its trace was kept is exported with the next look', async () => {
  await send(TRACE);
  await send(OTHER);
  keep(TRACE);
  expect(appSpans.waiting).toBe(0);
  await clock.advance(OBSERVE_LIMITS.retainDelayMs);
  expect(appSpans.waiting).toBe(1);
});

test('a span that comes later is exported as it arrives, and one that comes much later is not', async () => {
  keep(TRACE);
  await clock.advance(OBSERVE_LIMITS.keptTraceMs - 1);
  await send(TRACE);
  await send(OTHER);
  expect(appSpans.waiting).toBe(1);
  await clock.advance(1);
  await send(TRACE);
  expect(appSpans.waiting).toBe(1);
  expect(appSpans.received).toBe(3);
});

test('a job that goes wrong when its trace is forgotten has the trace kept anew, with the spans that it had left here', async () => {
  keep(TRACE);
  await clock.advance(OBSERVE_LIMITS.keptTraceMs);
  await send(TRACE);
  expect(appSpans.waiting).toBe(0);
  // Its own call fails, at this hop or at another.
  keep(TRACE);
  await send(TRACE);
  expect(appSpans.waiting).toBe(1);
  await clock.advance(OBSERVE_LIMITS.retainDelayMs);
  expect(appSpans.waiting).toBe(2);
});
