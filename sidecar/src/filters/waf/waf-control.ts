/**
 * The WAF policies of one sidecar: compiled for its routes, and what was counted of them from one config snapshot to the next.
 */
import type { Policy } from '../../config/resources.ts';
import { HeldBytes } from '../../core/body-gate.ts';
import { LIMITS } from '../../core/limits.ts';
import type { WafSpec } from './config.ts';
import { type WafReadings, WafSeries } from './metrics.ts';
import { WafFilter, type WafReport } from './waf.ts';

/** Label value of whatever has no series of its own. */
const OVERFLOW = '_OTHER';

export class WafControl implements WafReadings {
  readonly held = new HeldBytes();
  private readonly report: WafReport;
  private readonly series = new Map<string, WafSeries>();
  /** All routes that a policy is attached to share its filter, which keeps nothing of a request. */
  private readonly filters = new WeakMap<WafSpec, WafFilter>();

  constructor(report: WafReport) {
    this.report = report;
  }

  /** For a policy that is not off. */
  compile(
    { namespace, name, spec }: Pick<Policy<WafSpec>, 'namespace' | 'name' | 'spec'>,
    auditsAllowed = false,
  ): WafFilter {
    const known = this.filters.get(spec);
    if (known !== undefined) return known;
    const policy = `${namespace}/${name}`;
    const series = this.seriesOf(policy, spec.mode === 'shadow' ? 'shadow' : 'enforce');
    const filter = new WafFilter(policy, spec, {
      series,
      held: this.held,
      report: this.report,
      auditsAllowed,
    });
    this.filters.set(spec, filter);
    return filter;
  }

  policies(): Iterable<WafSeries> {
    return this.series.values();
  }

  private seriesOf(policy: string, mode: WafSeries['mode']): WafSeries {
    const key = `${policy} ${mode}`;
    const known = this.series.get(key);
    if (known !== undefined) return known;
    // Overflow series come on top, so that there is always room for them.
    if (this.series.size >= LIMITS.wafSeries && policy !== OVERFLOW) return this.seriesOf(OVERFLOW, mode);
    const series = new WafSeries(policy, mode);
    this.series.set(key, series);
    return series;
  }
}
