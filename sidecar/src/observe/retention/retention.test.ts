import { beforeEach, describe, expect, test } from 'vitest';
import { compileChain } from '../../core/chain.ts';
import { Failure } from '../../core/failure.ts';
import { ManualClock } from '../../core/manual-clock.fixture.ts';
import { type Arrival, type Journey, travel } from '../../filters/hand-made-exchange.ts';
import { TraceFilter } from '../../filters/trace/trace.ts';
import { OBSERVE_LIMITS } from '../limits.ts';
import { RandomWords } from '../random-words.ts';
import { WORD } from '../span-record.ts';
import { REASONS, REFUSED, TOLD } from './retention.ts';
import { keepTraces, type TraceKeeping } from './trace-keeping.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = 'spiffe://a.test/ns/a/sa/caller';
const CALLEE = 'spiffe://a.test/ns/a/sa/callee';
const CONTEXT = ['host: a', `traceparent: 00-${TRACE}-00f067aa0ba902b7-00`];
const KEEP = 'x-tulle-keep: 1';

let clock: ManualClock;
let keeping: TraceKeeping;

function open(slowShare = 0): void {
  const words = new RandomWords(Math.random);
  clock = new ManualClock(0);
  keeping = keepTraces({ ringSpans: 512, slowShare, intake: null }, { clock, random: () => words.next() });
}

beforeEach(() => open());

type Hop = Omit<Journey, 'chain'>;

function send(hop: Hop = {}, headSampleRatio = 0): Arrival {
  const { direction = 'inbound' } = hop;
  const origin = keeping.ring.addOrigin({ direction, route: 'http' });
  const filter = new TraceFilter(true, new RandomWords(Math.random), headSampleRatio, keeping, origin);
  return travel({ chain: compileChain([filter]), startedMs: clock.monotonicMs(), ...hop });
}

/** Path and reason of the spans that wait for export, oldest first. */
function waiting(): string[] {
  const spans: string[] = [];
  keeping.ring.take(512, (span) =>
    spans.push(`${span.text(WORD.pathBytes)} ${REASONS[span.word(WORD.retained)]}`),
  );
  return spans;
}

const at = (path: string) => ({ requestLine: `GET ${path} HTTP/1.1`, fields: CONTEXT });
const sweep = () => clock.advance(OBSERVE_LIMITS.retainDelayMs);

describe('a trace that the head sample left out is kept', () => {
  const grpc = { fields: ['host: a', 'content-type: application/grpc'] };
  test.each<[string, Hop, string[]]>([
    ['for an answer of the service that says it failed', { answerStatus: 500 }, ['/ failed']],
    ['for a failure on the way', { unavailable: Failure.connectRefused }, ['/ failed']],
    ['for a failed call', { ...grpc, answerFields: ['grpc-status: 13'] }, ['/ failed']],
    ['for a limit that was reached', { answerStatus: 429 }, ['/ refused']],
    ['for a request that can not be read', { requestLine: 'unreadable' }, [' refused']],
    ['not for a page that is missing', { answerStatus: 404 }, []],
    ['not for a call that was answered', { ...grpc, answerFields: ['grpc-status: 5'] }, []],
    ['not for nothing', {}, []],
  ])('%s', (_what, hop, spans) => {
    send(hop);
    expect(waiting()).toEqual(spans);
  });

  test('for being among the slowest of its route, once it is known what is slow', () => {
    open(0.01);
    send({ answerMs: 1_000 });
    for (let i = 1; i < OBSERVE_LIMITS.quantileRefresh; i++) send();
    expect(waiting()).toEqual([]);
    send();
    send({ answerMs: 1_000, requestLine: 'GET /slow HTTP/1.1' });
    expect(waiting()).toEqual(['/slow slow']);
  });

  test('within a budget for each reason, so that a flood of one leaves room for another', () => {
    const { refused } = OBSERVE_LIMITS.keptPerSecond;
    for (let i = 0; i < refused + 5; i++) send({ answerStatus: 429 });
    expect(waiting()).toHaveLength(refused);
    expect(keeping.retention.outOfBudget[REFUSED]).toBe(5);
    send({ answerStatus: 500 });
    expect(waiting()).toEqual(['/ failed']);
    send({ answerStatus: 429, startedMs: 1_000 + clock.monotonicMs() });
    expect(waiting()).toEqual(['/ refused']);
  });

  test('without a reason when it was sampled', () => {
    send({ answerStatus: 500 }, 1);
    expect(waiting()).toEqual(['/ ']);
    expect([...keeping.retention.kept]).toEqual([0, 0, 0, 0, 0]);
  });
});

describe('of a kept trace', () => {
  test('earlier and later spans are kept, too, and those of others are not', async () => {
    send(at('/early'));
    send({ requestLine: 'GET /other HTTP/1.1' });
    send({ ...at('/failed'), answerStatus: 503 });
    send(at('/late'));
    await sweep();
    expect(waiting()).toEqual(['/early told', '/failed failed', '/late told']);
    send(at('/later'));
    expect(waiting()).toEqual(['/later told']);
    await sweep();
    expect(waiting()).toEqual([]);
  });

  test('nothing is kept any more when its time is over', () => {
    send({ ...at('/failed'), answerStatus: 503 });
    send({ ...at('/late'), startedMs: OBSERVE_LIMITS.keptTraceMs + 100 });
    expect(waiting()).toEqual(['/failed failed']);
  });

  test('other sidecars are told once, and what they tell is kept and not told again', async () => {
    const told: string[] = [];
    keeping.retention.onKept = (ids) => told.push(ids.toString('hex'));
    send(at('/early'));
    send({ ...at('/failed'), answerStatus: 503 });
    send({ ...at('/failed'), answerStatus: 503 });
    await sweep();
    expect(told).toEqual([TRACE]);

    const elsewhere = send({ requestLine: 'GET /elsewhere HTTP/1.1' }).exchange;
    const { traceId0, traceId1, traceId2, traceId3 } = elsewhere;
    const ids = Buffer.alloc(16);
    [traceId0, traceId1, traceId2, traceId3].forEach((word, i) => void ids.writeInt32BE(word, 4 * i));
    keeping.retention.keepTold(ids);
    await sweep();
    expect(waiting()).toContain('/elsewhere told');
    expect(told).toEqual([TRACE]);
    expect(keeping.retention.kept[TOLD]).toBe(1);
  });
});

describe('the hop before is told in the response', () => {
  const keepLines = ({ returned }: Arrival) => returned.filter((line) => line.startsWith('x-tulle-keep'));

  test('when it is a sidecar that proved itself, and nobody else', () => {
    expect(keepLines(send({ answerStatus: 500, peerIdentity: CALLER }))).toEqual([KEEP]);
    expect(keepLines(send({ answerStatus: 500 }))).toEqual([]);
    expect(keepLines(send({ peerIdentity: CALLER }))).toEqual([]);
  });

  test('and keeps the trace, for its own caller as well, when a sidecar that proved itself says so', () => {
    const outbound: Hop = { ...at('/out'), direction: 'outbound', answerFields: [KEEP] };
    expect(keepLines(send({ ...outbound, upstreamIdentity: CALLEE }))).toEqual([]);
    expect(keepLines(send({ ...at('/in'), peerIdentity: CALLER }))).toEqual([KEEP]);
    expect(waiting()).toEqual(['/out told', '/in told']);
  });

  test.each<[string, Hop]>([
    ['an endpoint outside of the mesh', { direction: 'outbound' }],
    ['the service itself', { direction: 'inbound', peerIdentity: CALLER }],
  ])('and %s has no say', (_who, hop) => {
    const arrival = send({ ...hop, answerFields: [KEEP] });
    expect(keepLines(arrival)).toEqual([]);
    expect(waiting()).toEqual([]);
  });
});
