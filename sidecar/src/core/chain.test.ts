import { describe, expect, test } from 'vitest';
import { type Chain, compileChain, type Observer, type Step } from './chain.ts';
import type { Exchange } from './exchange.ts';
import { CONTINUE, type Filter, type Verdict } from './filter.ts';

const PHASES = [
  'requestHead',
  'pickEndpoint',
  'attemptHead',
  'responseHead',
  'attemptEnd',
  'end',
] as const satisfies readonly (keyof Chain)[];

/** Takes part in every phase and notes its own name, which it only knows when it is called as a method. */
class Everywhere implements Filter {
  readonly name: string;
  private readonly notes: string[];
  constructor(name: string, notes: string[]) {
    this.name = name;
    this.notes = notes;
  }
  onRequestHead(): Verdict {
    this.notes.push(this.name);
    return CONTINUE;
  }
  onPickEndpoint(): Verdict {
    return this.onRequestHead();
  }
  onAttemptHead(): Verdict {
    return this.onRequestHead();
  }
  onResponseHead(): void {
    this.notes.push(this.name);
  }
  onAttemptEnd(): void {
    this.notes.push(this.name);
  }
  onEnd(): void {
    this.notes.push(this.name);
  }
}

function run(steps: readonly (Step | Observer)[] | null): void {
  // None of these filters looks at the exchange.
  for (const step of steps ?? []) step({} as Exchange);
}

describe('compileChain', () => {
  test('runs filters in order, and in reverse for responses', () => {
    const notes: string[] = [];
    const chain = compileChain(['a', 'b', 'c'].map((name) => new Everywhere(name, notes)));
    for (const phase of PHASES) {
      notes.length = 0;
      run(chain[phase]);
      expect([phase, ...notes]).toEqual([phase, ...(phase === 'responseHead' ? 'cba' : 'abc')]);
    }
  });

  test('a phase without filters is null', () => {
    const chain = compileChain([{ name: 'ends', onEnd: () => {} }, { name: 'idle' }]);
    for (const phase of PHASES) expect(chain[phase] === null).toBe(phase !== 'end');
    expect(chain.end).toHaveLength(1);
  });

  test('can not be changed once it is compiled', () => {
    const chain = compileChain([{ name: 'ends', onEnd: () => {} }]);
    expect(Object.isFrozen(chain) && Object.isFrozen(chain.end)).toBe(true);
  });
});
