/**
 * What is counted of the decisions about endpoints of one upstream service; what is known of the endpoints themselves is read from their
 * records.
 */
import type { EjectionAction } from '../upstream/outliers/detector.ts';
import { EJECTION_REASONS, type EjectionReason } from '../upstream/outliers/outlier-state.ts';

const ACTIONS = ['enforced', 'shadow', 'denied'] as const satisfies readonly EjectionAction[];

export class GroupSeries {
  readonly upstream: string;
  private readonly counts = new Map<string, number>();

  constructor(upstream: string) {
    this.upstream = upstream;
  }

  countEjection(reason: EjectionReason, action: EjectionAction): void {
    const key = `${reason} ${action}`;
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }

  /** Those that happened, and those that would be enforced from the start, so that their first increase is seen by rate(). */
  *ejections(): Iterable<{ readonly reason: string; readonly action: string; readonly count: number }> {
    for (const reason of EJECTION_REASONS) {
      for (const action of ACTIONS) {
        const count = this.counts.get(`${reason} ${action}`) ?? 0;
        if (count > 0 || action === 'enforced') yield { reason, action, count };
      }
    }
  }
}
