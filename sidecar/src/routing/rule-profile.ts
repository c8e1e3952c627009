/**
 * What a rule brings to a route, for those who build its filters.
 */
import type { Mirror } from '../filters/mirror/mirror.ts';
import type { Backend } from './backend.ts';
import type { RuleConfig } from './route-config.ts';

export interface RuleProfile {
  /** Names the rule in metrics, logs and spans, like `checkout/canary`. */
  readonly label: string;
  readonly config: RuleConfig;
  readonly backends: readonly Backend[];
  readonly mirrors: readonly Mirror[];
  /** The rule, or its route, has a TrafficPolicy of its own: it shares no limits with the service. */
  readonly ownTraffic: boolean;
}
