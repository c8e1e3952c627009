// An endpoint as a sidecar sees it: so many workers, a queue in front of them, and times of service that a scenario may change while it runs.
//
// A request that its caller gave up is worked on all the same: servers rarely notice. That is what makes overload last.
import {
  onResponseEnd,
  onResponseHead,
  onUpstreamFailed,
  onUpstreamReady,
  onUpstreamUnavailable,
} from '../../sidecar/src/core/course.ts';
import type { Exchange, UpstreamStream } from '../../sidecar/src/core/exchange.ts';
import { Failure } from '../../sidecar/src/core/failure.ts';
import { ResponseHead } from '../../sidecar/src/protocol/head.ts';
import type { TransportContext } from '../../sidecar/src/transport/transport.ts';
import type { UpstreamTransport } from '../../sidecar/src/upstream/endpoint.ts';

const REFUSAL_MS = 1;

export interface EndpointModel {
  /** Requests that are worked on at once. */
  readonly workers: number;
  /** Requests that wait for a worker; more are answered 503. */
  readonly queue: number;
  /** How long a worker is busy with one. */
  serviceMs(random: () => number): number;
}

export class SimulatedEndpoint implements UpstreamTransport {
  readonly counts = { open: 0, idle: 0, waiting: 0 };
  model: EndpointModel;
  /** Connections are refused, and what is under way is reset. */
  isDown = false;
  /** Since it came up. */
  served = 0;
  private readonly context: TransportContext;
  private readonly random: () => number;
  private readonly answerTimeoutMs: number;
  private busy = 0;
  private crashes = 0;
  private waiting: Attempt[] = [];
  private readonly open_ = new Set<Attempt>();

  constructor(
    context: TransportContext,
    random: () => number,
    answerTimeoutMs: number,
    model: EndpointModel,
  ) {
    this.context = context;
    this.random = random;
    this.answerTimeoutMs = answerTimeoutMs;
    this.model = model;
  }

  open(exchange: Exchange): void {
    if (!this.isDown) {
      onUpstreamReady(exchange, new Attempt(this, exchange));
      return;
    }
    const { attempts } = exchange;
    this.context.after(REFUSAL_MS, () => {
      const stillWaits = exchange.attempting && exchange.attempts === attempts;
      if (stillWaits) onUpstreamUnavailable(exchange, Failure.connectRefused, '');
    });
  }

  cancel(): void {}

  retireConnections(): void {}

  close(): void {}

  goDown(): void {
    this.isDown = true;
    this.crashes++;
    this.busy = 0;
    this.waiting = [];
    for (const attempt of [...this.open_]) attempt.fail(Failure.upstreamReset);
  }

  comeUp(): void {
    this.isDown = false;
    this.served = 0;
  }

  /** The request of an attempt is there. */
  take(attempt: Attempt): void {
    this.open_.add(attempt);
    const { context, model } = this;
    attempt.deadline = context.after(this.answerTimeoutMs, () => attempt.fail(Failure.upstreamTimeout));
    if (this.busy < model.workers) this.work(attempt);
    else if (this.waiting.length < model.queue) this.waiting.push(attempt);
    else context.after(REFUSAL_MS, () => attempt.answer(503));
  }

  forget(attempt: Attempt): void {
    this.open_.delete(attempt);
  }

  private work(attempt: Attempt): void {
    this.busy++;
    const { crashes } = this;
    this.context.after(this.model.serviceMs(this.random), () => {
      if (this.crashes !== crashes) return;
      this.busy--;
      this.served++;
      attempt.answer(200);
      const next = this.waiting.shift();
      if (next !== undefined) this.work(next);
    });
  }
}

class Attempt implements UpstreamStream {
  readonly congested = false;
  readonly identity = '';
  readonly setupMs = 0;
  readonly tlsMs = 0;
  readonly reused = false;
  readonly unprocessed = false;
  deadline: { cancel(): void } | null = null;
  private readonly endpoint: SimulatedEndpoint;
  private exchange: Exchange | null;

  constructor(endpoint: SimulatedEndpoint, exchange: Exchange) {
    this.endpoint = endpoint;
    this.exchange = exchange;
  }

  answer(status: number): void {
    const exchange = this.leave();
    if (exchange === null) return;
    const head = new ResponseHead();
    head.status = status;
    onResponseHead(exchange, head);
    // A retry may have taken the answer's place.
    if (exchange.upstream === this) onResponseEnd(exchange, null);
  }

  fail(failure: typeof Failure.upstreamReset): void {
    const exchange = this.leave();
    if (exchange !== null) onUpstreamFailed(exchange, failure, '');
  }

  sendRequestHead(): void {}

  sendRequestBody(): void {}

  endRequest(): void {
    this.endpoint.take(this);
  }

  abortRequest(): void {
    this.leave();
  }

  pauseResponse(): void {}

  resumeResponse(): void {}

  private leave(): Exchange | null {
    const { exchange } = this;
    this.exchange = null;
    this.deadline?.cancel();
    this.endpoint.forget(this);
    return exchange;
  }
}

/** Times of service that vary as those of real services do: log-normal around a median. */
export function around(medianMs: number, spread = 0.3): (random: () => number) => number {
  return (random) => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return medianMs * Math.exp(spread * normal);
  };
}
