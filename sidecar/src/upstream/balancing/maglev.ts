/**
 * A table in which every endpoint has nearly its exact share of the slots (D. Eisenbud et al., Maglev, NSDI 2016): more even than a ring, and
 * a look-up is one read. When endpoints change, a few more keys move than on a ring.
 *
 * Invariants: the table depends on addresses and weights alone, not on their order, so that all callers have the same. It has the same size
 * for any number of endpoints; another size would move every key.
 */
import type { Endpoint } from '../endpoint.ts';
import type { HashTable } from './hash-balancer.ts';
import { hashText, rehash } from './hash-words.ts';

/** A prime, as the permutations need it. */
const SLOTS = 65_537;
const FREE = 65_535;

export class MaglevTable implements HashTable {
  readonly owners = new Uint16Array(SLOTS).fill(FREE);

  constructor(endpoints: readonly Endpoint[]) {
    const byAddress = endpoints
      .map(({ address, weight }, owner) => ({ address, weight, owner }))
      .sort((a, b) => (a.address < b.address ? -1 : 1));
    this.fill(byAddress.map(({ address, weight, owner }) => new Claim(address, weight, owner)));
  }

  slotOf(key: number): number {
    return key % SLOTS;
  }

  /** In each round, an endpoint takes the next free slot of its permutation if it has less than its weight allows by then. */
  private fill(claims: readonly Claim[]): void {
    const heaviest = Math.max(...claims.map(({ weight }) => weight));
    let left = SLOTS;
    for (let round = 1; ; round++) {
      for (const claim of claims) {
        if (claim.taken * heaviest >= round * claim.weight) continue;
        this.owners[claim.nextFree(this.owners)] = claim.owner;
        claim.taken++;
        if (--left === 0) return;
      }
    }
  }
}

class Claim {
  readonly weight: number;
  readonly owner: number;
  taken = 0;
  private readonly skip: number;
  private at: number;

  constructor(address: string, weight: number, owner: number) {
    const hash = hashText(address);
    this.weight = weight;
    this.owner = owner;
    this.at = rehash(hash, 0) % SLOTS;
    this.skip = (rehash(hash, 1) % (SLOTS - 1)) + 1;
  }

  nextFree(owners: Uint16Array): number {
    while (owners[this.at] !== FREE) this.at = (this.at + this.skip) % SLOTS;
    return this.at;
  }
}
