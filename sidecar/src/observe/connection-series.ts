/**
 * What is counted of the connections of one route that are passed on as TCP.
 */
import { FAILURES } from '../core/failure.ts';
import type { Direction } from '../core/route.ts';
import type { RelayedConnection } from '../protocol/tcp/tcp-route.ts';
import { Histogram } from './histogram.ts';

export class ConnectionSeries {
  readonly direction: Direction;
  readonly route: string;
  opened = 0;
  /** Open now. */
  active = 0;
  /** Indexed by failure code. */
  readonly closed = new Float64Array(FAILURES.length);
  /** From clients to servers, and back; of open connections, too. */
  clientBytes = 0;
  serverBytes = 0;
  readonly duration = new Histogram();

  constructor(direction: Direction, route: string) {
    this.direction = direction;
    this.route = route;
  }

  onOpened(): void {
    this.opened++;
    this.active++;
  }

  onClosed({ failure, startedMs, endedMs }: RelayedConnection): void {
    this.active--;
    this.closed[failure.code] = (this.closed[failure.code] as number) + 1;
    this.duration.observe(endedMs - startedMs);
  }
}
