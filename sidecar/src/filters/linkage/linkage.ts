/**
 * Whether the own service hands on the context of the requests that it serves: of each request that it sends, the trace it belongs to is looked
 * for among those that came in here lately. A call that is found, and says no request id, gets the one that its trace came in with.
 *
 * Invariants: behind the trace filter, which has read the context. Memory and the time of each look are fixed; a trace that came in so long ago, or
 * so many traces ago, that it is forgotten counts as one that began in the service.
 */
import type { Exchange } from '../../core/exchange.ts';
import { CONTINUE, type Filter, type Verdict } from '../../core/filter.ts';
import type { Direction } from '../../core/route.ts';
import { OBSERVE_LIMITS } from '../../observe/limits.ts';
import { KeptTraces } from '../../observe/retention/kept-traces.ts';
import { RequestIds } from './request-ids.ts';

/** One for all routes of a sidecar. */
export class Linkage {
  /** Requests of the service in a trace that came in here … */
  linked = 0;
  /** … in one that the service began, or took from a queue … */
  own = 0;
  /** … and in none. */
  none = 0;
  private readonly entered: KeptTraces;
  private readonly requestIds = new RequestIds(OBSERVE_LIMITS.keptTraces);

  /** `random` gives a signed 32-bit word. */
  constructor(random: () => number) {
    this.entered = new KeptTraces(random);
  }

  enter(exchange: Exchange): void {
    const { traceId0, traceId1, traceId2, traceId3, time } = exchange;
    const place = this.entered.addPlace(traceId0, traceId1, traceId2, traceId3, time.nowMs);
    const isFirst = place >= 0;
    this.requestIds.keep(isFirst ? place : ~place, isFirst, exchange);
  }

  /** For a request of the service without an id; false when none is known. */
  restoreRequestId(exchange: Exchange): boolean {
    const { hasParent, traceId0, traceId1, traceId2, traceId3, time } = exchange;
    if (!hasParent) return false;
    const place = this.entered.placeOf(traceId0, traceId1, traceId2, traceId3, time.nowMs);
    return place !== -1 && this.requestIds.addTo(exchange, place);
  }

  leave({ hasParent, traceId0, traceId1, traceId2, traceId3, time }: Exchange): void {
    if (!hasParent) this.none++;
    else if (this.entered.has(traceId0, traceId1, traceId2, traceId3, time.nowMs)) this.linked++;
    else this.own++;
  }
}

export class LinkageFilter implements Filter {
  readonly name = 'linkage';
  private readonly linkage: Linkage;
  private readonly isInbound: boolean;

  constructor(linkage: Linkage, direction: Direction) {
    this.linkage = linkage;
    this.isInbound = direction === 'inbound';
  }

  onRequestHead(exchange: Exchange): Verdict {
    if (this.isInbound) this.linkage.enter(exchange);
    else this.linkage.leave(exchange);
    return CONTINUE;
  }
}
