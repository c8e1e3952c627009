// Shows lists to an inspector and counts.
import { Inspector } from '../../sidecar/src/filters/waf/inspector.ts';
import type { List } from './lists.ts';
import type { BenignList } from './real.ts';

export type Paranoia = 1 | 2 | 3;

/** What a policy blocks at, if nobody says otherwise: one critical rule. */
export const THRESHOLD = 5;

export interface Count {
  readonly total: number;
  /** Detected, or wrongly taken for attacks. */
  readonly hits: number;
  readonly rate: number;
  /** What was missed, or wrongly hit, with the rules that did. */
  readonly wrong: readonly string[];
}

export function newInspector(paranoia: Paranoia): Inspector {
  return new Inspector({ paranoia, maxDepth: 32, maxFields: 10_000, exceptions: [] });
}

export function countDetected({ samples }: Pick<List, 'samples'>, paranoia: Paranoia): Count {
  const inspector = newInspector(paranoia);
  const missed = samples.filter(
    ({ showings }) =>
      !showings.every((show) => {
        inspector.begin();
        show(inspector);
        return inspector.score >= THRESHOLD;
      }),
  );
  return countOf(
    samples.length,
    samples.length - missed.length,
    missed.map(({ text }) => text),
  );
}

export function countFalse({ requests }: Pick<BenignList, 'requests'>, paranoia: Paranoia): Count {
  const inspector = newInspector(paranoia);
  const wrong: string[] = [];
  for (const { text, show } of requests) {
    inspector.begin();
    show(inspector);
    if (inspector.score < THRESHOLD) continue;
    const hits = inspector.hits.map(({ rule, location, sample }) => `${rule.id} at ${location}: ${sample}`);
    wrong.push(`${hits.join('; ')} in ${text}`);
  }
  return countOf(requests.length, wrong.length, wrong);
}

function countOf(total: number, hits: number, wrong: string[]): Count {
  return { total, hits, rate: total === 0 ? 0 : hits / total, wrong };
}
