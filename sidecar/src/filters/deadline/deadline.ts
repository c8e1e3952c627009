/**
 * Honours the deadline that a caller of gRPC sets: what is left of it goes on to the endpoint, and when it passes the call ends here, whoever
 * is slow. A deadline of the route is passed on to endpoints that speak gRPC in the same way.
 *
 * Invariants: time that this hop took is not given away twice: the endpoint gets what is left when its attempt begins.
 */
import { limitExchange, reply } from '../../core/course.ts';
import type { Exchange } from '../../core/exchange.ts';
import { Failure } from '../../core/failure.ts';
import { CONTINUE, type Filter, REPLIED, type Verdict } from '../../core/filter.ts';
import { readGrpcTimeoutMs, writeGrpcTimeout } from '../../core/grpc.ts';

const NEVER = Number.POSITIVE_INFINITY;

export class DeadlineFilter implements Filter {
  readonly name = 'deadline';

  onRequestHead(exchange: Exchange): Verdict {
    if (!exchange.isGrpc) return CONTINUE;
    const timeoutMs = readGrpcTimeoutMs(exchange.request);
    if (timeoutMs === Number.POSITIVE_INFINITY) return CONTINUE;
    const atMs = exchange.startedMs + timeoutMs;
    if (atMs <= exchange.time.nowMs) {
      reply(exchange, Failure.deadlineExceeded);
      return REPLIED;
    }
    limitExchange(exchange, atMs);
    return CONTINUE;
  }

  onAttemptHead(exchange: Exchange): Verdict {
    const leftMs = (exchange.deadline?.exchangeDeadlineMs ?? NEVER) - exchange.time.nowMs;
    if (exchange.isGrpc && leftMs !== NEVER) writeGrpcTimeout(exchange.request, leftMs);
    return CONTINUE;
  }
}
