import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seededRandom } from '../../../../test/seeded-random.ts';
import { compileChain } from '../../core/chain.ts';
import { RandomWords } from '../../observe/random-words.ts';
import type { Backend } from '../../routing/backend.ts';
import { SoleEndpoint } from '../../upstream/balancer.ts';
import { loneEndpoint } from '../../upstream/lone-endpoint.ts';
import { travel } from '../hand-made-exchange.ts';
import { BackendFilter } from './backend.ts';
import { BackendSeries } from './metrics.ts';

const UNREACHED = {
  open() {},
  cancel() {},
  retireConnections() {},
  close() {},
  counts: { open: 0, idle: 0, waiting: 0 },
};

function backend(name: string, weight: number, exists: boolean): Backend {
  const balancer = exists ? new SoleEndpoint(loneEndpoint(name, UNREACHED)) : null;
  return { name, weight, balancer, identity: '', requestHeaders: null, responseHeaders: null };
}

test('requests are shared in proportion to any weights, and those without one get none', () => {
  const weights = fc.array(fc.nat(10), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(weights, fc.integer(), (all, seed) => {
      const total = all.reduce((sum, weight) => sum + weight, 0);
      const series = new BackendSeries('orders', 'a/0');
      const backends = all.map((weight, index) => backend(`b${index}`, weight, index % 2 === 0));
      const filter = new BackendFilter(backends, new RandomWords(seededRandom(seed)), series);
      const chain = compileChain([filter]);
      const count = 600;
      for (let i = 0; i < count; i++) travel({ chain });
      for (const [index, weight] of all.entries()) {
        const share = total === 0 ? 0 : weight / total;
        // Six standard deviations: once in a billion draws.
        const spread = 6 * Math.sqrt(count * share * (1 - share));
        expect(Math.abs((series.requests.get(`b${index}`) ?? 0) - count * share)).toBeLessThanOrEqual(spread);
      }
    }),
    { numRuns: 50 },
  );
});

test('a backend that does not exist, and a rule without any, fail', () => {
  const series = new BackendSeries('orders', 'a/0');
  for (const [backends, detail] of [
    [[backend('gone', 1, false)], 'gone'],
    [[], 'the rule has none with a weight'],
  ] as const) {
    const chain = compileChain([new BackendFilter(backends, new RandomWords(Math.random), series)]);
    const { exchange } = travel({ chain });
    expect(exchange).toMatchObject({ status: 500, failure: { name: 'no_backend' }, failureDetail: detail });
    expect(travel({ chain, fields: ['host: a', 'content-type: application/grpc'] }).exchange.grpcStatus).toBe(
      14,
    );
  }
});
