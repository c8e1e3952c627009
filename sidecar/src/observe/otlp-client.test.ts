// What becomes of spans by what a collector answers: every status, with and without its advice, and batches that it takes in part.
import { Metadata, Server, ServerCredentials, type sendUnaryData, status } from '@grpc/grpc-js';
import protobuf from 'protobufjs/minimal.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../core/manual-clock.fixture.ts';
import { AppSpans } from './intake/app-spans.ts';
import { ForwardedSpans } from './intake/forward.ts';
import { EXPORT } from './intake/intake.ts';
import { readExportRequest } from './intake/otlp-message.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { OtlpClient } from './otlp-client.ts';
import { SpanExport } from './span-export.ts';

type Answer = Parameters<sendUnaryData<Buffer>>;

const NOTHING = Buffer.alloc(0);
const FLUSH_MS = 10_000;
const TRACE = Buffer.alloc(16, 7);
/** Behind the trace id, and its own tag and length. */
const NAME_AT = 20;
/** What RESOURCE_EXHAUSTED means without advice: never. */
const FOR_GOOD = [
  'INVALID_ARGUMENT',
  'UNIMPLEMENTED',
  'UNAUTHENTICATED',
  'INTERNAL',
  'RESOURCE_EXHAUSTED',
] as const;
const FOR_NOW = [
  'UNAVAILABLE',
  'ABORTED',
  'CANCELLED',
  'DEADLINE_EXCEEDED',
  'OUT_OF_RANGE',
  'DATA_LOSS',
] as const;

let server: Server;
let answers: Answer[];
let received: string[][];
let clock: ManualClock;
let spans: AppSpans;
let spanExport: SpanExport;
let failures: string[];
/** Of the collector's answer. */
let delayMs: number;
let underWay: number;

beforeEach(async () => {
  answers = [];
  received = [];
  failures = [];
  delayMs = 0;
  underWay = 0;
  server = new Server({ 'grpc.max_receive_message_length': 4_194_304 });
  server.addService(
    { Export: EXPORT },
    {
      Export({ request }: { request: Buffer }, answer: sendUnaryData<Buffer>) {
        const batch: string[] = [];
        readExportRequest(request, ({ span }) =>
          batch.push(Buffer.from(span.subarray(NAME_AT, NAME_AT + 2)).toString()),
        );
        received.push(batch);
        expect(++underWay).toBe(1);
        setTimeout(() => {
          underWay--;
          answer(...(answers.shift() ?? [null, NOTHING]));
        }, delayMs);
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  clock = new ManualClock(0);
  spans = new AppSpans(8_388_608);
  spanExport = new SpanExport(
    new ForwardedSpans(spans, () => {}),
    new OtlpClient(`http://127.0.0.1:${port}`),
    // The longest pauses that chance may give.
    { clock, random: () => 1, onFailure: (reason) => failures.push(reason) },
  );
});

afterEach(() => {
  spanExport.close();
  server.forceShutdown();
});

/** A span with a name of two letters that is seen again in `received`. */
function add(name: string, moreBytes = 0): void {
  const span = protobuf.Writer.create().uint32(10).bytes(TRACE).uint32(42).string(name);
  span.uint32(26).bytes(Buffer.alloc(moreBytes));
  spans.add({ resource: NOTHING, scope: NOTHING, span: span.finish(), traceId: TRACE }, true);
}

const refusal = (code: status, metadata = new Metadata()): Answer => [
  { code, details: 'no', metadata } as unknown as Error,
  NOTHING,
];

/** `retry_delay` of a google.rpc.RetryInfo, among other details. */
function advice(seconds: number): Metadata {
  const any = (type: string, value: Uint8Array) =>
    protobuf.Writer.create()
      .uint32(10)
      .string(`type.googleapis.com/${type}`)
      .uint32(18)
      .bytes(value)
      .finish();
  const duration = protobuf.Writer.create()
    .uint32(8)
    .int64(Math.floor(seconds))
    .uint32(16)
    .int32((seconds % 1) * 1e9);
  const retryInfo = protobuf.Writer.create().uint32(10).bytes(duration.finish()).finish();
  const status = protobuf.Writer.create().uint32(8).int32(8).uint32(18).string('busy');
  status
    .uint32(26)
    .bytes(any('google.rpc.Help', NOTHING))
    .uint32(26)
    .bytes(any('google.rpc.RetryInfo', retryInfo));
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(status.finish()));
  return metadata;
}

function partly(rejected: number, reason: string): Answer {
  const partial = protobuf.Writer.create().uint32(8).int64(rejected).uint32(18).string(reason).finish();
  return [null, Buffer.from(protobuf.Writer.create().uint32(10).bytes(partial).finish())];
}

const flush = () => spanExport.flush(FLUSH_MS);
const counts = ({ exported, rejected, failed, waiting } = spanExport) => ({
  exported,
  rejected,
  failed,
  waiting,
});

describe('a batch', () => {
  test.each(FOR_GOOD)('that was refused with %s is counted and not sent again', async (code) => {
    answers = [refusal(status[code])];
    add('a1');
    await flush();
    expect(counts()).toEqual({ exported: 0, rejected: 0, failed: 1, waiting: 0 });
    add('a2');
    await flush();
    expect(received).toEqual([['a1'], ['a2']]);
    expect(counts()).toMatchObject({ exported: 1, failed: 1 });
  });

  test.each(FOR_NOW)('that was refused with %s is sent again, and before all others', async (code) => {
    answers = [refusal(status[code])];
    add('a1');
    await flush();
    expect(counts()).toEqual({ exported: 0, rejected: 0, failed: 0, waiting: 1 });
    add('a2');
    await flush();
    expect(received).toEqual([['a1'], ['a1'], ['a2']]);
    expect(counts()).toEqual({ exported: 2, rejected: 0, failed: 0, waiting: 0 });
    expect(failures).toHaveLength(1);
  });

  test('is given up after so many attempts, and the next one has as many', async () => {
    const { spanExportAttempts } = OBSERVE_LIMITS;
    answers = Array.from({ length: spanExportAttempts + 1 }, () => refusal(status.UNAVAILABLE));
    add('a1');
    for (let i = 0; i < spanExportAttempts; i++) await flush();
    expect(counts()).toEqual({ exported: 0, rejected: 0, failed: 1, waiting: 0 });
    add('a2');
    await flush();
    expect(counts()).toMatchObject({ failed: 1, waiting: 1 });
    await flush();
    expect(counts()).toMatchObject({ exported: 1, failed: 1, waiting: 0 });
  });

  test('of which spans were rejected is not sent again', async () => {
    answers = [partly(2, 'too old'), partly(9, 'more than there were'), partly(0, 'a word of advice')];
    for (const name of ['a1', 'a2', 'a3']) add(name);
    await flush();
    expect(counts()).toEqual({ exported: 1, rejected: 2, failed: 0, waiting: 0 });
    expect(failures).toEqual(['2 of 3 spans were rejected: too old']);
    for (const name of ['b1', 'b2']) {
      add(name);
      await flush();
    }
    expect(counts()).toEqual({ exported: 2, rejected: 3, failed: 0, waiting: 0 });
    expect(received).toHaveLength(3);
  });

  test.each([NOTHING, Buffer.from([0x0a, 0x7f]), Buffer.from([0xff, 0xff])])(
    'that was taken with an answer nobody understands is taken: %j',
    async (answer) => {
      answers = [[null, answer]];
      add('a1');
      await flush();
      expect(counts()).toEqual({ exported: 1, rejected: 0, failed: 0, waiting: 0 });
    },
  );

  test('waits for a slow collector, and others for it, in the ring alone', async () => {
    const { spansPerExport } = OBSERVE_LIMITS;
    delayMs = 50;
    for (let i = 0; i < 3 * spansPerExport; i++) add('a1');
    const flushed = flush();
    expect(spans.waiting).toBe(2 * spansPerExport);
    expect(counts()).toMatchObject({ exported: 0, waiting: 3 * spansPerExport });
    await flushed;
    expect(counts()).toEqual({ exported: 3 * spansPerExport, rejected: 0, failed: 0, waiting: 0 });
    expect(received).toHaveLength(3);
  });

  test('fits into one message, whatever the size of its spans', async () => {
    for (let i = 0; i < 100; i++) add('a1', OBSERVE_LIMITS.appSpanBytes - 100);
    await flush();
    expect(counts()).toEqual({ exported: 100, rejected: 0, failed: 0, waiting: 0 });
    expect(received.length).toBeGreaterThan(1);
  });
});

describe('a collector that is away', () => {
  /** Until the next attempt, on the clock's own time. */
  async function pauseMs(): Promise<number> {
    const before = received.length;
    for (let waited = 0; ; waited += 500) {
      if (received.length > before) return waited;
      await clock.advance(500);
      // An export is under way, on real time, exactly when no timer waits.
      while (clock.pendingTimers === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  test('is asked less and less often, until it is back', async () => {
    answers = Array.from({ length: 7 }, () => refusal(status.UNAVAILABLE));
    add('a1');
    const pauses: number[] = [];
    for (let i = 0; i < 7; i++) pauses.push(await pauseMs());
    expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
  });

  test.each([
    ['RESOURCE_EXHAUSTED', 4, 4_000],
    ['UNAVAILABLE', 2.5, 2_500],
    ['UNAVAILABLE', 0, 1_000],
    ['UNAVAILABLE', 3_600, 30_000],
  ] as const)(
    'with %s and an advice to wait %d s is left alone for %d ms',
    async (code, seconds, expected) => {
      answers = [refusal(status[code], advice(seconds)), refusal(status.UNAVAILABLE)];
      add('a1');
      expect(await pauseMs()).toBe(500);
      expect(await pauseMs()).toBe(expected);
      expect(counts()).toMatchObject({ failed: 0, waiting: 1 });
    },
  );
});
