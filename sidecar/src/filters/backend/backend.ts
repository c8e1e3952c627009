/**
 * Chooses for each request one of the backends of its rule, at random in proportion to their weights.
 *
 * Invariants: a request is for one backend, whatever becomes of its attempts, since its fields are changed for that one. The share of a
 * backend that does not exist is refused, and not given to the others.
 */
import { reply } from '../../core/course.ts';
import type { Exchange } from '../../core/exchange.ts';
import { Failure } from '../../core/failure.ts';
import { CONTINUE, type Filter, REPLIED, type Verdict } from '../../core/filter.ts';
import type { RandomWords } from '../../observe/random-words.ts';
import type { ResponseHead } from '../../protocol/head.ts';
import type { Backend } from '../../routing/backend.ts';
import { HeaderChange } from '../../routing/header-change.ts';
import type { BackendSeries } from './metrics.ts';

export class BackendFilter implements Filter {
  readonly name = 'backend';
  private readonly backends: readonly Backend[];
  /** Sums of the weights up to and with each backend. */
  private readonly sums: readonly number[];
  private readonly requestChanges: readonly (HeaderChange | null)[];
  private readonly responseChanges: readonly (HeaderChange | null)[];
  private readonly random: RandomWords;
  private readonly series: BackendSeries;

  constructor(backends: readonly Backend[], random: RandomWords, series: BackendSeries) {
    // Those without a weight are never chosen.
    this.backends = backends.filter(({ weight }) => weight > 0);
    let sum = 0;
    this.sums = this.backends.map(({ weight }) => (sum += weight));
    this.requestChanges = this.backends.map(({ requestHeaders }) => toChange(requestHeaders));
    this.responseChanges = this.backends.map(({ responseHeaders }) => toChange(responseHeaders));
    this.random = random;
    this.series = series;
  }

  onPickEndpoint(exchange: Exchange): Verdict {
    const index = this.draw();
    const backend = this.backends[index];
    if (backend === undefined) {
      reply(exchange, Failure.noBackend, 'the rule has none with a weight');
      return REPLIED;
    }
    exchange.backend = backend;
    this.series.count(backend.name);
    if (backend.balancer === null) {
      reply(exchange, Failure.noBackend, backend.name);
      return REPLIED;
    }
    exchange.balancer = backend.balancer;
    this.requestChanges[index]?.apply(exchange.request);
    return CONTINUE;
  }

  onResponseHead({ backend, response }: Exchange): void {
    if (backend === null) return;
    this.responseChanges[this.backends.indexOf(backend)]?.apply(response as ResponseHead);
  }

  private draw(): number {
    const { sums } = this;
    const total = sums[sums.length - 1] ?? 0;
    if (sums.length < 2) return 0;
    const drawn = this.random.nextFraction() * total;
    let index = 0;
    while (drawn >= (sums[index] as number)) index++;
    return index;
  }
}

function toChange(changes: Backend['requestHeaders']): HeaderChange | null {
  return changes === null ? null : new HeaderChange(changes);
}
