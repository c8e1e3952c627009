/**
 * The balancer that a policy asks for, over endpoints of one group.
 */
import type { RandomWords } from '../../observe/random-words.ts';
import type { Balancer } from '../balancer.ts';
import type { Endpoint } from '../endpoint.ts';
import type { EndpointGroup } from '../endpoint-group.ts';
import type { HashSource, LoadBalancerSpec } from './config.ts';
import { HashBalancer } from './hash-balancer.ts';
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
}

export function createBalancer(
  group: EndpointGroup,
  endpoints: readonly Endpoint[],
  spec: LoadBalancerSpec,
  { random, zone }: BalancerDeps,
): Balancer {
  const rotation = new Rotation(group, endpoints);
  const { algorithm, zoneAware, slowStart, hash, loadBound } = spec;
  const options = { random, zone: zoneAware === 'on' ? zone : '', minShare: slowStart.minShare };
  if (algorithm === 'roundRobin') return new RoundRobin(rotation, options);
  if (algorithm === 'leastRequest') return new PowerOfTwo(rotation, options, false);
  const byLatency = new PowerOfTwo(rotation, options, true);
  if (algorithm === 'peakEwma' || endpoints.length === 0) return byLatency;
  const table = algorithm === 'maglev' ? new MaglevTable(endpoints) : new HashRing(endpoints);
  const keyOf = compileHashKey(hash as HashSource);
  return new HashBalancer(rotation, table, keyOf, byLatency, loadBound ?? null);
}
