/**
 * `spec.telemetry.audit`: which decisions of policies are audited, and where to.
 */
import { resolve } from 'node:path';
import { z } from 'zod';
import { isLogPath, text } from '../../config/values.ts';

const decisions = z.enum(['off', 'refused', 'all']).default('refused');

export const auditSpec = z
  .strictObject({
    decisions,
    log: text(
      (value) => (value === 'stdout' || isLogPath(value) ? null : 'must be stdout or the path of a file'),
      'to write no audit log set decisions: off; to log into a file of that name write a path, like ./audit.log',
    ).default('stdout'),
  })
  .prefault({});

/** `refused`: all that a policy turned away or delayed, or in shadow mode would have. */
export type AuditedDecisions = z.output<typeof decisions>;

export type AuditConfig = {
  readonly decisions: AuditedDecisions;
  /** Null for stdout. */
  readonly path: string | null;
};

export function normaliseAudit({ decisions, log }: z.output<typeof auditSpec>, folder: string): AuditConfig {
  return { decisions, path: log === 'stdout' ? null : resolve(folder, log) };
}
