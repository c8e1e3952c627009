/**
 * Counts and times exchanges in the series of their route.
 *
 * Invariant: an exchange is active from its request head to its end, and counted once.
 */
import type { Exchange } from '../../core/exchange.ts';
import { CONTINUE, type Filter, type Verdict } from '../../core/filter.ts';
import type { RouteSeries } from '../../observe/route-series.ts';

export class MetricsFilter implements Filter {
  readonly name = 'metrics';
  private readonly series: RouteSeries;

  constructor(series: RouteSeries) {
    this.series = series;
  }

  onRequestHead(): Verdict {
    this.series.active++;
    return CONTINUE;
  }

  onUnreadableHead(): void {
    this.series.active++;
  }

  onEnd(exchange: Exchange): void {
    this.series.active--;
    this.series.observe(exchange);
  }
}
