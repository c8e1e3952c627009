/**
 * What health checks have shown of one endpoint. It is well until it has failed as often in a row as the policy says.
 */
import type { HealthCheckSpec } from './config.ts';

export class HealthState {
  healthy = true;
  /** Why the last check failed; empty when it did not. */
  problem = '';
  passed = 0;
  failed = 0;
  /** When the next check is due, in monotonic milliseconds. */
  nextMs = 0;
  /** Checks in a row that say the opposite of `healthy`. */
  private contrary = 0;

  /** True when it turned. */
  note(problem: string, { unhealthyThreshold, healthyThreshold }: HealthCheckSpec): boolean {
    const passed = problem === '';
    this.problem = problem;
    if (passed) this.passed++;
    else this.failed++;
    if (passed === this.healthy) {
      this.contrary = 0;
      return false;
    }
    if (++this.contrary < (passed ? healthyThreshold : unhealthyThreshold)) return false;
    this.healthy = passed;
    this.contrary = 0;
    return true;
  }
}
