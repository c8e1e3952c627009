import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';

/** What is wrong with a dashboard, and where. */
export interface Finding {
  readonly rule: string;
  readonly where: string;
  readonly problem: string;
}

/** What is wrong, each said in words; nothing when all is well. */
export interface DashboardRule {
  readonly name: string;
  /** `all` are those that may be linked to. */
  check(dashboard: Dashboard, all: readonly Dashboard[]): Iterable<Violation>;
}

export interface Violation {
  readonly where?: string;
  readonly problem: string;
}
