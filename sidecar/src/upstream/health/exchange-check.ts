/**
 * A check that is a request: an exchange without filters, over the same transport as those of callers, mTLS and all.
 *
 * Invariant: `done` is called once, within the timeout, which is the time of the exchange.
 */
import { compileChain } from '../../core/chain.ts';
import { begin, onDownstreamGone, onRequestBody, onRequestEnd } from '../../core/course.ts';
import { type DownstreamStream, Exchange } from '../../core/exchange.ts';
import { Failure } from '../../core/failure.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Route, Timeouts } from '../../core/route.ts';
import { RequestHead } from '../../protocol/head.ts';
import { scanRequestHead } from '../../protocol/http1/request-head.ts';
import type { TransportContext } from '../../transport/transport.ts';
import { SoleEndpoint } from '../balancer.ts';
import type { UpstreamTransport } from '../endpoint.ts';
import { loneEndpoint } from '../lone-endpoint.ts';
import type { Check, CheckInProgress } from './checker.ts';

/** What is asked, and what the answer says. */
export interface Question {
  /** The head of a request as HTTP/1.1 has it. */
  readonly head: Buffer;
  readonly body: Buffer;
  /** What is wrong; empty for nothing. `body` is the beginning of the answer's. */
  judge(exchange: Exchange, body: Buffer): string;
}

const NO_FILTERS = compileChain([]);

export function exchangeCheck(
  context: TransportContext,
  address: string,
  transport: UpstreamTransport,
  timeouts: Timeouts,
  timeoutMs: number,
  question: Question,
): Check {
  const route: Route = Object.freeze({
    ...{ name: 'health', direction: 'outbound', service: '', trustsPeer: false, chain: NO_FILTERS, timeouts },
    balancer: new SoleEndpoint(loneEndpoint(address, transport)),
    requestTimeoutMs: timeoutMs,
    attemptTimeoutMs: Number.POSITIVE_INFINITY,
    retry: null,
    hedge: null,
    rule: '',
    unreachable: Failure.noEndpoint,
  });
  return (done) => new ExchangeCheck(context, route, question, done);
}

class ExchangeCheck implements DownstreamStream, CheckInProgress {
  readonly congested = false;
  readonly takesTrailers = true;
  private readonly exchange: Exchange;
  private readonly question: Question;
  private readonly done: (problem: string) => void;
  private readonly answer: Buffer[] = [];
  private answerBytes = 0;
  private asked = false;

  constructor(context: TransportContext, route: Route, question: Question, done: (problem: string) => void) {
    this.question = question;
    this.done = done;
    const request = new RequestHead();
    const { head } = question;
    if (scanRequestHead(request, head, 0, head.length) !== head.length) {
      throw new Error(`not a request: ${head.toString('latin1')}`);
    }
    this.exchange = new Exchange(route, this, request, context, '', '', context.nowMs);
    this.exchange.requestComplete = question.body.length === 0;
    begin(this.exchange);
  }

  abort(): void {
    onDownstreamGone(this.exchange, Failure.downstreamAborted);
  }

  sendInterim(): void {}

  sendResponseHead(): void {}

  sendResponseBody(bytes: Uint8Array, start: number, end: number): void {
    const room = LIMITS.healthAnswerBytes - this.answerBytes;
    const kept = Math.min(room, end - start);
    if (kept <= 0) return;
    this.answer.push(Buffer.from(bytes.subarray(start, start + kept)));
    this.answerBytes += kept;
  }

  endResponse(): void {}

  abortResponse(): void {}

  pauseRequest(): void {}

  resumeRequest(): void {
    if (this.asked) return;
    this.asked = true;
    const { body } = this.question;
    onRequestBody(this.exchange, body, 0, body.length);
    onRequestEnd(this.exchange, null);
  }

  release(): void {
    const { failure, failureDetail } = this.exchange;
    if (failure === Failure.none) {
      this.done(this.question.judge(this.exchange, Buffer.concat(this.answer)));
    } else {
      this.done(failureDetail === '' ? failure.name : `${failure.name}: ${failureDetail}`);
    }
  }
}
