import { beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../../sidecar/src/core/manual-clock.fixture.ts';
import { LIMITS } from './limits.ts';
import { TooManyQuestions, TraceQuestions } from './trace-questions.ts';

const TRACE = 'a'.repeat(32);
const OTHER = 'b'.repeat(32);

let clock: ManualClock;
let questions: TraceQuestions;

beforeEach(() => {
  clock = new ManualClock(0);
  questions = new TraceQuestions(clock);
});

const span = (spanId: string, startMs: number, traceId = TRACE) => ({ traceId, spanId, startMs });
const trace = (requestId: string | null, ...spans: ReturnType<typeof span>[]) => ({
  traceId: spans[0]?.traceId ?? TRACE,
  requestId,
  spans,
});

/** Answers by id; nothing at all for ids that it has no entry for, when `mute`. */
function join(known: Record<string, unknown>, mute = false) {
  const interview = questions.join({
    ask({ number, id }) {
      if (mute) return;
      const found = known[id];
      const text = found === undefined ? '' : typeof found === 'string' ? found : JSON.stringify(found);
      queueMicrotask(() => interview.answer({ number, found: Buffer.from(text) }));
    },
  });
  return interview;
}

describe('a question', () => {
  test('by request id is answered with the spans of the trace from everywhere', async () => {
    join({ 'r-1': trace('r-1', span('1', 10)), [TRACE]: trace('r-1', span('1', 10)) });
    join({ [TRACE]: trace(null, span('2', 20), span('1', 10)) });
    expect(await questions.find('r-1')).toEqual({
      traceId: TRACE,
      requestId: 'r-1',
      spans: [span('1', 10), span('2', 20)],
      asked: 2,
      answered: 2,
    });
  });

  test('is about the latest of several traces with one request id', async () => {
    const old = trace('r-1', span('1', 10));
    const late = trace('r-1', span('2', 99, OTHER));
    join({ 'r-1': old, [TRACE]: old });
    join({ 'r-1': late, [OTHER]: late });
    expect(await questions.find('r-1')).toMatchObject({ traceId: OTHER, spans: [span('2', 99, OTHER)] });
  });

  test('does not wait for ever for who is silent, and says so', async () => {
    join({ [TRACE]: trace(null, span('1', 10)) });
    join({}, true);
    const found = questions.find(TRACE);
    await clock.advance(LIMITS.answerMs);
    expect(await found).toMatchObject({ asked: 2, answered: 1, spans: [span('1', 10)] });
  });

  test('does not wait for who has left', async () => {
    join({ [TRACE]: trace(null, span('1', 10)) });
    const leaving = join({}, true);
    const found = questions.find(TRACE);
    leaving.end();
    expect(await found).toMatchObject({ asked: 2, answered: 2 });
    expect(clock.pendingTimers).toBe(0);
  });

  test.each(['no JSON', '{}', JSON.stringify({ traceId: 'x', requestId: null, spans: [] })])(
    'is not spoilt by the answer %j',
    async (nonsense) => {
      join({ [TRACE]: trace(null, span('1', 10)) });
      join({ [TRACE]: nonsense });
      expect(await questions.find(TRACE)).toMatchObject({ answered: 2, spans: [span('1', 10)] });
    },
  );

  test('has no answer where nobody knows anything, or nobody is there', async () => {
    expect(await questions.find(TRACE)).toBeNull();
    join({});
    expect(await questions.find(TRACE)).toBeNull();
  });

  test('is refused when too many are open', async () => {
    join({}, true);
    const open = Array.from({ length: LIMITS.openQuestions }, () => questions.find(TRACE));
    await expect(questions.find(TRACE)).rejects.toThrow(TooManyQuestions);
    await clock.advance(LIMITS.answerMs);
    expect(await Promise.all(open)).toEqual(open.map(() => null));
  });
});
