/**
 * Asks all sidecars what they know of a request, and puts their answers together.
 *
 * Invariants: a question takes at most `answerMs`; who has not answered by then is left out, and counted. Questions under way are bounded.
 */
import { z } from 'zod';
import type { Clock } from '../../sidecar/src/core/clock.ts';
import type { FoundSpan } from '../../sidecar/src/observe/explain/found-span.ts';
import type { TraceAnswer, TraceQuestion } from '../../sidecar/src/observe/explain/question-message.ts';
import type { FoundTrace } from '../../sidecar/src/observe/explain/trace-finder.ts';
import { ATTR_REQUEST_ID } from '../../sidecar/src/observe/explain/trace-query.ts';
import { LIMITS } from './limits.ts';

export interface Respondent {
  ask(question: TraceQuestion): void;
}

/** What a respondent holds in its hands. */
export interface Interview {
  answer(answer: TraceAnswer): void;
  end(): void;
}

export interface AnsweredTrace extends FoundTrace {
  /** Sidecars. */
  readonly asked: number;
  readonly answered: number;
}

/** The error of somebody who asks while many others do. */
export class TooManyQuestions extends Error {}

// Sidecars are not above mistakes, and one of them must not break the answers of all.
const answer = z.object({
  traceId: z.string().regex(/^[0-9a-f]{32}$/),
  requestId: z.string().nullable(),
  spans: z
    .array(z.object({ traceId: z.string(), spanId: z.string(), startMs: z.number() }).loose())
    .max(LIMITS.spansPerAnswer),
});

export class TraceQuestions {
  private readonly clock: Clock;
  private readonly respondents = new Set<Respondent>();
  private readonly open = new Map<number, Round>();
  private number = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  join(respondent: Respondent): Interview {
    this.respondents.add(respondent);
    return {
      answer: ({ number, found }) => this.open.get(number)?.take(respondent, found),
      end: () => {
        this.respondents.delete(respondent);
        for (const round of this.open.values()) round.take(respondent, Buffer.alloc(0));
      },
    };
  }

  /** By request id or trace id; of several traces with one request id the latest. Null when nobody knows anything. */
  async find(id: string): Promise<AnsweredTrace | null> {
    const first = await this.askAll(id);
    if (first.traces.length === 0) return null;
    const latest = first.traces.reduce((a, b) => (startOf(b) > startOf(a) ? b : a));
    // Not every hop of the trace has seen the request id.
    const { traces, asked, answered } = latest.traceId === id ? first : await this.askAll(latest.traceId);
    const spans = new Map<string, FoundSpan>();
    for (const trace of traces) for (const span of trace.spans) spans.set(span.spanId, span);
    const all = [...spans.values()].sort((a, b) => a.startMs - b.startMs);
    // A service that does not pass the id on gets another one behind it: what counts is where the trace began.
    const begun = all.find(({ attributes }) => attributes?.[ATTR_REQUEST_ID] !== undefined);
    const requestId = latest.traceId === id ? requestIdOf(begun) : id;
    return { traceId: latest.traceId, requestId, spans: all, asked, answered };
  }

  private askAll(id: string): Promise<{ traces: FoundTrace[]; asked: number; answered: number }> {
    if (this.open.size >= LIMITS.openQuestions) throw new TooManyQuestions();
    const number = ++this.number;
    return new Promise((resolve) => {
      const finish = (): void => {
        timer.cancel();
        this.open.delete(number);
        resolve({ traces: round.traces, asked: round.asked, answered: round.answered });
      };
      const timer = this.clock.setTimer(finish, LIMITS.answerMs);
      const round = new Round(this.respondents, finish);
      this.open.set(number, round);
      for (const respondent of this.respondents) respondent.ask({ number, id });
      if (round.asked === 0) finish();
    });
  }
}

function requestIdOf(span: FoundSpan | undefined): string | null {
  return span === undefined ? null : String(span.attributes[ATTR_REQUEST_ID]);
}

function startOf({ spans }: FoundTrace): number {
  return Math.max(...spans.map(({ startMs }) => startMs));
}

/** One question to all who are there. */
class Round {
  readonly traces: FoundTrace[] = [];
  readonly asked: number;
  answered = 0;
  private readonly waiting: Set<Respondent>;
  private readonly onDone: () => void;

  constructor(respondents: ReadonlySet<Respondent>, onDone: () => void) {
    this.waiting = new Set(respondents);
    this.asked = this.waiting.size;
    this.onDone = onDone;
  }

  take(from: Respondent, found: Buffer): void {
    if (!this.waiting.delete(from)) return;
    this.answered++;
    const trace = found.length === 0 ? null : readTrace(found);
    if (trace !== null) this.traces.push(trace);
    if (this.waiting.size === 0) this.onDone();
  }
}

function readTrace(found: Buffer): FoundTrace | null {
  try {
    return answer.parse(JSON.parse(found.toString())) as unknown as FoundTrace;
  } catch {
    return null;
  }
}
