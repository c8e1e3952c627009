/**
 * A line of the audit log for each decision that a policy made about a request.
 */
import type { Exchange } from '../../core/exchange.ts';
import type { Filter } from '../../core/filter.ts';
import type { AuditLog } from './audit-log.ts';

export class AuditFilter implements Filter {
  readonly name = 'audit';
  private readonly log: AuditLog;
  private readonly origin: Buffer;

  /** `origin` is the beginning of every line of this route; see `lineOrigin`. */
  constructor(log: AuditLog, origin: Buffer) {
    this.log = log;
    this.origin = origin;
  }

  onEnd(exchange: Exchange): void {
    if (exchange.decisions.length > 0) this.log.append(exchange, this.origin);
  }
}
