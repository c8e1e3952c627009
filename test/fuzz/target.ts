// What a codec exports to be fuzzed: where its inputs come from, and what must hold for every one of them.
import type fc from 'fast-check';

export interface FuzzTarget<T = unknown> {
  readonly name: string;
  readonly input: fc.Arbitrary<T>;
  /** Throws when something does not hold. Must not keep anything between two inputs. */
  check(input: T): void;
}

/** So that a list of targets can hold different kinds of input. */
export function fuzzTarget<T>(target: FuzzTarget<T>): FuzzTarget {
  return target as FuzzTarget;
}
