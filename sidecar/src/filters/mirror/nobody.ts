/**
 * The caller of a copied request: takes every response, and does nothing with it.
 */
import type { DownstreamStream } from '../../core/exchange.ts';
import type { MirrorSeries } from './metrics.ts';

export class Nobody implements DownstreamStream {
  readonly congested = false;
  readonly takesTrailers = true;
  private readonly series: MirrorSeries;

  constructor(series: MirrorSeries) {
    this.series = series;
  }

  sendInterim(): void {}
  sendResponseHead(): void {}
  sendResponseBody(): void {}
  endResponse(): void {}
  abortResponse(): void {}
  pauseRequest(): void {}
  resumeRequest(): void {}

  release(): void {
    this.series.active--;
  }
}
