/**
 * What outlier detection knows of one endpoint: what it counts, and whether the endpoint is ejected.
 *
 * An ejected endpoint is closed for a while. Then it wants a probe: one attempt, whose end decides whether it comes back or is closed for longer.
 */
export type EjectionReason = (typeof EJECTION_REASONS)[number];

export const EJECTION_REASONS = [
  'consecutive_gateway_failures',
  'consecutive_connect_failures',
  'consecutive_errors',
  'success_rate',
  'latency',
  'probe_failed',
] as const;

export const PROBE_NONE = 0;
export const PROBE_WANTED = 1;
export const PROBE_RUNNING = 2;

export class OutlierState {
  /** In a row. */
  gatewayFailures = 0;
  connectFailures = 0;
  errors = 0;
  /** In this interval. */
  attempts = 0;
  failures = 0;
  answers = 0;
  latencySumMs = 0;
  /** Null while it is not ejected. */
  reason: EjectionReason | null = null;
  ejectedMs = 0;
  /** When it wants a probe. */
  untilMs = Number.POSITIVE_INFINITY;
  probe = PROBE_NONE;
  /** Attempts that began before say nothing of how it is now. */
  probeSinceMs = 0;
  /** A slower probe is a failed one. */
  probeLimitMs = Number.POSITIVE_INFINITY;
  /** Ejections since it was last well for long enough. */
  streak = 0;
  backoffMs = 0;
  returnedMs = Number.NEGATIVE_INFINITY;

  clearCounts(): void {
    this.gatewayFailures = 0;
    this.connectFailures = 0;
    this.errors = 0;
    this.clearInterval();
  }

  clearInterval(): void {
    this.attempts = 0;
    this.failures = 0;
    this.answers = 0;
    this.latencySumMs = 0;
  }
}
