/**
 * One line of the access log for each exchange.
 */
import type { Exchange } from '../../core/exchange.ts';
import type { Filter } from '../../core/filter.ts';
import type { AccessLog } from '../../observe/access-log.ts';

export class AccessLogFilter implements Filter {
  readonly name = 'access-log';
  private readonly log: AccessLog;
  private readonly origin: Buffer;

  /** `origin` is the beginning of every line of this route; see `lineOrigin`. */
  constructor(log: AccessLog, origin: Buffer) {
    this.log = log;
    this.origin = origin;
  }

  onEnd(exchange: Exchange): void {
    this.log.append(exchange, this.origin);
  }
}
