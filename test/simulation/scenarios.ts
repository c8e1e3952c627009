// What goes wrong, and which policies are to help. A scenario is run with each of its policies under the same seeds.
import { arrive, type Habit, work } from './callers.ts';
import { type Ledger, percentile, type Window } from './ledger.ts';
import { around, type EndpointModel } from './simulated-endpoint.ts';
import type { ServiceModel, World } from './world.ts';

export interface Scenario {
  readonly name: string;
  readonly story: string;
  /** When it goes wrong, and when the simulation ends. */
  readonly disturbedMs: number;
  readonly untilMs: number;
  /** By what it stands for; the first is the one without. */
  readonly policies: Readonly<Record<string, object | null>>;
  services(policy: object | null): ServiceModel[];
  /** Sets callers and disturbances going. `ledger` is what recovery is read from. */
  play(world: World, ledger: Ledger): void;
  /** Whether a second is as good as usual. */
  isWell(window: Window, usual: Window): boolean;
}

const PATIENT: Habit = { patienceMs: 10_000, againAfterMs: null };
const WARM_UP_MS = 5_000;

export const SCENARIOS: readonly Scenario[] = [
  slowEndpoint(),
  thunderingHerd(),
  slowVectorStore(),
  retryStorm(),
];

/** What is usual: between the warm-up and the disturbance. */
export function usualOf(ledger: Ledger, { disturbedMs }: Scenario): Window {
  return ledger.between(WARM_UP_MS, disturbedMs);
}

function slowEndpoint(): Scenario {
  const model: EndpointModel = { workers: 8, queue: 10_000, serviceMs: around(10) };
  return {
    name: 'slow endpoint',
    story: 'One of three endpoints becomes ten times slower at 10 s and stays so; 600 requests a second.',
    disturbedMs: 10_000,
    untilMs: 60_000,
    policies: {
      'round robin': { loadBalancer: { algorithm: 'roundRobin' } },
      'least request': { loadBalancer: { algorithm: 'leastRequest' } },
      'peak EWMA': { loadBalancer: { algorithm: 'peakEwma' } },
    },
    services: (policy) => [{ name: 'orders', endpoints: [model, model, model], policy }],
    play(world, ledger) {
      arrive(world, 'orders', () => 600, PATIENT, ledger);
      world.at(10_000, () => {
        const [slow] = world.endpointsOf('orders');
        if (slow !== undefined) slow.model = { ...model, serviceMs: around(100) };
      });
    },
    isWell: (window, usual) => mostSucceed(window) && nearlyAsFast(window, usual),
  };
}

function thunderingHerd(): Scenario {
  const cold = 1_000;
  return {
    name: 'thundering herd',
    story:
      'Four endpoints are gone from 10 s to 20 s and come back with cold caches, five times slower for their first 1,000 answers; 100 callers give up after 100 ms and ask again 25 ms later.',
    disturbedMs: 10_000,
    untilMs: 70_000,
    policies: {
      none: null,
      'breaker and concurrency limit': {
        outlierDetection: { ejection: { baseMs: 500, maxMs: 2_000, maxShare: 1 } },
        loadBalancer: { panicThreshold: 0 },
        concurrency: { limit: 10, queue: { size: 3, timeoutMs: 20 } },
      },
    },
    services: (policy) => [
      {
        name: 'orders',
        endpoints: Array<EndpointModel>(4).fill({ workers: 3, queue: 300, serviceMs: around(20) }),
        policy,
      },
    ],
    play(world, ledger) {
      const habit: Habit = { patienceMs: 100, againAfterMs: 25 };
      work(world, 100, 150, habit, () => ({ service: 'orders', ledger }));
      world.at(10_000, () => {
        for (const endpoint of world.endpointsOf('orders')) endpoint.goDown();
      });
      world.at(20_000, () => {
        for (const endpoint of world.endpointsOf('orders')) {
          const { model } = endpoint;
          const warmth = (): number => Math.min(1, endpoint.served / cold);
          endpoint.model = { ...model, serviceMs: (random) => model.serviceMs(random) * (5 - 4 * warmth()) };
          endpoint.comeUp();
        }
      });
    },
    isWell: (window, usual) => perSecond(window, 3) > 0.8 * perSecond(usual, 5),
  };
}

function slowVectorStore(): Scenario {
  return {
    name: 'slow vector store',
    story:
      'A vector store takes 30 s an answer from 10 s to 30 s. 200 callers, threads of one service, need it for one call in four; recovery is that of their other calls.',
    disturbedMs: 10_000,
    untilMs: 60_000,
    policies: {
      none: null,
      'concurrency limit': { concurrency: { limit: 20, queue: { size: 5, timeoutMs: 50 } } },
      'attempt time and breaker': {
        timeouts: { attemptMs: 500 },
        loadBalancer: { panicThreshold: 0 },
        outlierDetection: { ejection: { baseMs: 1_000, maxMs: 4_000, maxShare: 1 } },
      },
    },
    services: (policy) => [
      { name: 'vectors', endpoints: [{ workers: 50, queue: 10_000, serviceMs: around(25) }], policy },
      { name: 'orders', endpoints: [{ workers: 200, queue: 10_000, serviceMs: around(10) }], policy: null },
    ],
    play(world, ledger) {
      const aside = { note: () => {} } as unknown as Ledger;
      work(world, 200, 100, { patienceMs: 60_000, againAfterMs: null }, () =>
        world.random() < 0.25 ? { service: 'vectors', ledger: aside } : { service: 'orders', ledger },
      );
      const [store] = world.endpointsOf('vectors');
      if (store === undefined) throw new Error('no vector store');
      const { model } = store;
      world.at(10_000, () => {
        store.model = { ...model, serviceMs: around(30_000) };
      });
      world.at(30_000, () => {
        // Restarted, as people do.
        store.goDown();
        store.model = model;
        store.comeUp();
      });
    },
    isWell: (window, usual) => perSecond(window, 3) > 0.8 * perSecond(usual, 5),
  };
}

function retryStorm(): Scenario {
  const model: EndpointModel = { workers: 10, queue: 200, serviceMs: around(20) };
  const retry = { attempts: 2, statuses: [503], backoff: { baseMs: 5, maxMs: 50 } };
  return {
    name: 'retry storm',
    story:
      'Twice as many requests as usual come from 10 s to 15 s, a third more than the service can bear; every failure is retried once.',
    disturbedMs: 10_000,
    untilMs: 60_000,
    policies: {
      'retries without a budget': {
        timeouts: { attemptMs: 300 },
        retry: { ...retry, budget: { percent: 100 } },
      },
      'retries within 10 %': {
        timeouts: { attemptMs: 300 },
        retry: { ...retry, budget: { percent: 10 } },
      },
    },
    services: (policy) => [{ name: 'orders', endpoints: [model, model, model], policy }],
    play(world, ledger) {
      const isPeak = (): boolean => world.nowMs >= 10_000 && world.nowMs < 15_000;
      arrive(
        world,
        'orders',
        () => (isPeak() ? 2_000 : 1_000),
        { patienceMs: 1_000, againAfterMs: null },
        ledger,
      );
    },
    isWell: (window, usual) => mostSucceed(window) && nearlyAsFast(window, usual),
  };
}

function mostSucceed({ succeeded, failed }: Window): boolean {
  return succeeded > 0 && failed <= 0.01 * (succeeded + failed);
}

function nearlyAsFast(window: Window, usual: Window): boolean {
  return percentile(window.latenciesMs, 0.99) < 2 * percentile(usual.latenciesMs, 0.99);
}

function perSecond({ succeeded }: Window, seconds: number): number {
  return succeeded / seconds;
}
