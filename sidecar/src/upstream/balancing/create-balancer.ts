/**
 * The balancer that a policy asks for, over endpoints of one group.
 */
import type { RandomWords } from '../../observe/random-words.ts';
import type { Balancer } from '../balancer.ts';
import type { Endpoint } from '../endpoint.ts';
import type { EndpointGroup } from '../endpoint-group.ts';
import type { HashSource, LoadBalancerSpec } from './config.ts';
import { HashBalancer, type HashTable } from './hash-balancer.ts';
import { compileHashKey } from './hash-key.ts';
import { HashRing } from './hash-ring.ts';
import { MaglevTable } from './maglev.ts';
import { PowerOfTwo } from './power-of-two.ts';
import { Rotation } from './rotation.ts';
import { RoundRobin } from './round-robin.ts';

export interface BalancerDeps {
  readonly random: RandomWords;
  /** That the sidecar is in; empty when it is in none. */
  readonly zone: string;
  /** The table of the former config with this key, or a new one: it takes milliseconds to make. */
  keepTable(key: string, create: () => HashTable): HashTable;
}

export function createBalancer(
  group: EndpointGroup,
  endpoints: readonly Endpoint[],
  spec: LoadBalancerSpec,
  { random, zone, keepTable }: BalancerDeps,
): Balancer {
  const rotation = new Rotation(group, endpoints);
  const { algorithm, zoneAware, slowStart, hash, loadBound } = spec;
  const options = { random, zone: zoneAware === 'on' ? zone : '', minShare: slowStart.minShare };
  if (algorithm === 'roundRobin') return new RoundRobin(rotation, options);
  if (algorithm === 'leastRequest') return new PowerOfTwo(rotation, options, false);
  const byLatency = new PowerOfTwo(rotation, options, true);
  if (algorithm === 'peakEwma' || endpoints.length === 0) return byLatency;
  const key = JSON.stringify([algorithm, ...endpoints.map(({ address, weight }) => [address, weight])]);
  const table = keepTable(key, () =>
    algorithm === 'maglev' ? new MaglevTable(endpoints) : new HashRing(endpoints),
  );
  const keyOf = compileHashKey(hash as HashSource);
  return new HashBalancer(rotation, table, keyOf, byLatency, loadBound ?? null);
}
