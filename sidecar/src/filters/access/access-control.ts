/**
 * The access policies of one sidecar: compiled for its listeners, and what was counted of them from one config snapshot to the next.
 */
import type { Policy } from '../../config/resources.ts';
import { LIMITS } from '../../core/limits.ts';
import type { AccessSpec } from './config.ts';
import type { AccessDecision, AccessMode, AccessReadings, AccessSeries } from './metrics.ts';
import { AccessOutcome, decisionOf } from './outcome.ts';
import { ConnectionRules, RequestRules } from './rules.ts';

/** What holds where no policy is attached to the service. */
export type AccessDefault = 'allow' | 'deny';

export interface AccessScope {
  /** Of the local service. */
  readonly port: number;
  readonly ownTrustDomain: string;
  readonly otherwise: AccessDefault;
}

/** The rules for one listener. */
export interface ListenerAccess {
  readonly requests: RequestRules;
  readonly connections: ConnectionRules;
}

/** What metrics and logs call a denial that no policy is the reason of. */
const DEFAULT_POLICY = 'default';
/** Label value of whatever has no series of its own. */
const OVERFLOW = '_OTHER';

export class AccessControl implements AccessReadings {
  private readonly series = new Map<string, AccessSeries>();

  /** Null when everything is allowed. */
  compile(policy: Policy<AccessSpec> | null, scope: AccessScope): ListenerAccess | null {
    const active = policy === null || policy.spec.mode === 'off' ? null : policy;
    if (active === null && scope.otherwise === 'allow') return null;
    const name = active === null ? DEFAULT_POLICY : `${active.namespace}/${active.name}`;
    const mode = active?.spec.mode === 'shadow' ? 'shadow' : 'enforce';
    const rules = (active?.spec.rules ?? []).filter(({ to }) => to.ports?.includes(scope.port) ?? true);
    const rulesScope = {
      ownTrustDomain: scope.ownTrustDomain,
      outcomeOf: (rule: string, allows: boolean) =>
        new AccessOutcome(this.seriesOf(name, rule, mode, decisionOf(mode, allows)), name, rule),
    };
    return {
      requests: new RequestRules(rules, rulesScope),
      connections: new ConnectionRules(rules, rulesScope),
    };
  }

  decisions(): Iterable<AccessSeries> {
    return this.series.values();
  }

  private seriesOf(policy: string, rule: string, mode: AccessMode, decision: AccessDecision): AccessSeries {
    const key = `${policy} ${rule} ${mode} ${decision}`;
    const known = this.series.get(key);
    if (known !== undefined) return known;
    // Overflow series come on top, so that there is always room for them.
    if (this.series.size >= LIMITS.accessSeries && policy !== OVERFLOW) {
      return this.seriesOf(OVERFLOW, OVERFLOW, mode, decision);
    }
    const series = { policy, rule, mode, decision, count: 0 };
    this.series.set(key, series);
    return series;
  }
}
