/**
 * A ring of points (D. Karger et al., Consistent Hashing and Random Trees, 1997): an endpoint has as many of them as its weight says, and a
 * key belongs to the next one. The keys of an endpoint that leaves go to its neighbours on the ring, all others stay.
 *
 * Invariant: the ring depends on addresses and weights alone, not on their order, so that all callers have the same.
 */
import type { Endpoint } from '../endpoint.ts';
import type { HashTable } from './hash-balancer.ts';
import { hashText, rehash } from './hash-words.ts';

/** Points of an average endpoint, fewer where there are so many that the ring would have more than `MAX_POINTS`. */
const POINTS = 256;
const MAX_POINTS = 65_536;
/** A point is sorted as one number: its place, then its owner. */
const OWNERS = 65_536;

export class HashRing implements HashTable {
  readonly owners: Uint16Array;
  private readonly places: Uint32Array;

  constructor(endpoints: readonly Endpoint[]) {
    const points = endpointPoints(endpoints);
    this.places = Uint32Array.from(points, (point) => Math.floor(point / OWNERS));
    this.owners = Uint16Array.from(points, (point) => point % OWNERS);
  }

  slotOf(key: number): number {
    const { places } = this;
    let low = 0;
    let high = places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((places[middle] as number) < key) low = middle + 1;
      else high = middle;
    }
    return low === places.length ? 0 : low;
  }
}

function endpointPoints(endpoints: readonly Endpoint[]): Float64Array {
  const mean = endpoints.reduce((sum, { weight }) => sum + weight, 0) / endpoints.length;
  const average = Math.min(POINTS, MAX_POINTS / endpoints.length);
  const points: number[] = [];
  endpoints.forEach(({ address, weight }, owner) => {
    const hash = hashText(address);
    const count = Math.max(1, Math.round((average * weight) / mean));
    for (let i = 0; i < count; i++) points.push(rehash(hash, i) * OWNERS + owner);
  });
  return Float64Array.from(points).sort();
}
