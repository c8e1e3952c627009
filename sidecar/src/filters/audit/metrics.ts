/**
 * What became of the lines of the audit log.
 */
import type { Registry } from 'prom-client';
import { register } from '../../observe/family.ts';
import type { LineSource } from '../../observe/line-writer.ts';
import { counter } from '../../observe/metric.ts';

export const AUDIT_LINES_WRITTEN = counter(
  'tulle_audit_log_lines_written_total',
  'Decisions of policies that are in the audit log.',
);
export const AUDIT_LINES_DROPPED = counter(
  'tulle_audit_log_lines_dropped_total',
  'Decisions of policies that the audit log lost: no room in its buffers, or a failed write.',
);

export function registerAudit(registry: Registry, lines: LineSource): void {
  register(registry, AUDIT_LINES_WRITTEN, () => [[{}, lines.written]]);
  register(registry, AUDIT_LINES_DROPPED, () => [[{}, lines.dropped]]);
}
