/**
 * Counts what became of the copies of requests, in place of the metrics that their originals have.
 */
import type { Exchange } from '../../core/exchange.ts';
import { Failure } from '../../core/failure.ts';
import type { Filter } from '../../core/filter.ts';
import type { MirrorSeries } from './metrics.ts';

export class MirrorOutcomeFilter implements Filter {
  readonly name = 'mirror-outcome';
  private readonly series: MirrorSeries;

  constructor(series: MirrorSeries) {
    this.series = series;
  }

  onEnd({ failure, status }: Exchange): void {
    const { answered, failed } = this.series;
    if (failure === Failure.none) answered[hundreds(status)] = (answered[hundreds(status)] as number) + 1;
    else failed[failure.code] = (failed[failure.code] as number) + 1;
  }
}

function hundreds(status: number): number {
  return Math.min(Math.floor(status / 100), 5);
}
