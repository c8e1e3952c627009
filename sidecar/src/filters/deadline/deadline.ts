/**
 * Honours the deadline that a caller of gRPC sets: what is left of it goes on to the endpoint, and when it passes the call ends here, whoever
 * is slow.
 *
 * Invariants: time that this hop took is not given away twice: the endpoint gets what is left when its attempt begins.
 */
import { reply } from '../../core/course.ts';
import type { Watched } from '../../core/deadlines.ts';
import type { Exchange } from '../../core/exchange.ts';
import { Failure } from '../../core/failure.ts';
import { CONTINUE, type Filter, REPLIED, type Verdict } from '../../core/filter.ts';
import { readGrpcTimeoutMs, writeGrpcTimeout } from '../../core/grpc.ts';

export class DeadlineFilter implements Filter {
  readonly name = 'deadline';

  onRequestHead(exchange: Exchange): Verdict {
    if (!exchange.isGrpc) return CONTINUE;
    const timeoutMs = readGrpcTimeoutMs(exchange.request);
    if (timeoutMs === Number.POSITIVE_INFINITY) return CONTINUE;
    const deadline = new CallDeadline(exchange, exchange.startedMs + timeoutMs);
    if (deadline.deadlineMs <= exchange.time.nowMs) {
      reply(exchange, Failure.deadlineExceeded);
      return REPLIED;
    }
    exchange.callDeadline = deadline;
    exchange.time.deadlines.watch(deadline);
    return CONTINUE;
  }

  onAttemptHead(exchange: Exchange): Verdict {
    const { callDeadline } = exchange;
    if (callDeadline !== null) {
      writeGrpcTimeout(exchange.request, callDeadline.deadlineMs - exchange.time.nowMs);
    }
    return CONTINUE;
  }

  onEnd(exchange: Exchange): void {
    if (exchange.callDeadline !== null) exchange.time.deadlines.unwatch(exchange.callDeadline);
  }
}

class CallDeadline implements Watched {
  deadlineMs: number;
  private readonly exchange: Exchange;

  constructor(exchange: Exchange, deadlineMs: number) {
    this.exchange = exchange;
    this.deadlineMs = deadlineMs;
  }

  onDeadline(): void {
    reply(this.exchange, Failure.deadlineExceeded);
  }
}
