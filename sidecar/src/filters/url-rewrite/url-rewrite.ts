/**
 * Forwards a request with another host or path than it came with. Policy, log and trace go on to tell of those that were asked for.
 */
import type { Exchange } from '../../core/exchange.ts';
import { CONTINUE, type Filter, type Verdict } from '../../core/filter.ts';
import { NewPath } from '../../routing/path-change.ts';
import type { RewriteConfig } from '../../routing/route-config.ts';

export class UrlRewriteFilter implements Filter {
  readonly name = 'url-rewrite';
  private readonly hostLine: Buffer | null;
  private readonly path: NewPath | null;

  constructor({ hostname, path }: RewriteConfig) {
    this.hostLine = hostname === null ? null : Buffer.from(`host: ${hostname}\r\n`);
    this.path = path === null ? null : new NewPath(path);
  }

  onRequestHead({ request }: Exchange): Verdict {
    if (this.hostLine !== null) request.replaceAuthority(this.hostLine);
    if (this.path !== null) request.target = this.path.of(request);
    return CONTINUE;
  }
}
