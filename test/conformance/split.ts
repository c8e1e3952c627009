// How a message is cut into packets. Plans are derived from a seed, so that a failure names the plan that reproduces it.

import { seededRandom } from '../seeded-random.ts';

export interface SplitPlan {
  name: string;
  cut(bytes: string): string[];
}

export const WHOLE: SplitPlan = { name: 'whole', cut: (bytes) => [bytes] };

export const BYTE_BY_BYTE: SplitPlan = { name: 'byte by byte', cut: (bytes) => bytes.split('') };

/** One to eight cuts at seeded places; each string of a case is cut anew. */
export function seededPlan(seed: number): SplitPlan {
  const random = seededRandom(seed);
  return {
    name: `seed ${seed}`,
    cut(bytes) {
      const places = Array.from({ length: 1 + Math.floor(random() * 8) }, () =>
        Math.floor(random() * bytes.length),
      );
      return cutAt(bytes, places);
    },
  };
}

export function cutAt(bytes: string, places: number[]): string[] {
  const sorted = [0, ...places.toSorted((a, b) => a - b), bytes.length];
  return sorted
    .slice(1)
    .map((end, i) => bytes.slice(sorted[i], end))
    .filter((piece) => piece !== '');
}

export function seedOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
