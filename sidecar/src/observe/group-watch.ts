/**
 * Counts what becomes of the endpoints of a service and says so in the sidecar's events, which are as rare as changes of health are.
 */
import type { GroupObserver } from '../upstream/endpoint-group.ts';
import type { EjectionAction } from '../upstream/outliers/detector.ts';
import type { EjectionReason } from '../upstream/outliers/outlier-state.ts';
import type { GroupSeries } from './group-series.ts';

type Report = (event: string, fields: Readonly<Record<string, unknown>>) => void;

export class GroupWatch implements GroupObserver {
  private readonly series: GroupSeries;
  private readonly report: Report;

  constructor(series: GroupSeries, report: Report) {
    this.series = series;
    this.report = report;
  }

  onEjection(
    endpoint: string,
    reason: EjectionReason,
    action: EjectionAction,
    detail: string,
    forMs: number,
  ): void {
    const { upstream } = this.series;
    this.series.countEjection(reason, action);
    const event = action === 'denied' ? 'endpoint_ejection_denied' : 'endpoint_ejected';
    this.report(event, { upstream, endpoint, reason, detail, action, forMs: Math.round(forMs) });
  }

  onHealthChange(endpoint: string, healthy: boolean, problem: string, enforced: boolean): void {
    const { upstream } = this.series;
    const action = enforced ? 'enforced' : 'shadow';
    if (healthy) this.report('endpoint_healthy', { upstream, endpoint, action });
    else this.report('endpoint_unhealthy', { upstream, endpoint, problem, action });
  }

  onReturn(endpoint: string, afterMs: number): void {
    const { upstream } = this.series;
    this.report('endpoint_returned', { upstream, endpoint, afterMs: Math.round(afterMs) });
  }
}
