/**
 * Sets, adds and removes fields of requests and responses, as a rule says.
 */
import type { Exchange } from '../../core/exchange.ts';
import { CONTINUE, type Filter, type Verdict } from '../../core/filter.ts';
import type { ResponseHead } from '../../protocol/head.ts';
import { HeaderChange } from '../../routing/header-change.ts';
import type { HeaderChanges } from '../../routing/route-config.ts';

export class RequestHeaderFilter implements Filter {
  readonly name = 'request-headers';
  private readonly change: HeaderChange;

  constructor(changes: HeaderChanges) {
    this.change = new HeaderChange(changes);
  }

  onRequestHead({ request }: Exchange): Verdict {
    this.change.apply(request);
    return CONTINUE;
  }
}

/** Of responses of the endpoint and of those that the sidecar makes. */
export class ResponseHeaderFilter implements Filter {
  readonly name = 'response-headers';
  private readonly change: HeaderChange;

  constructor(changes: HeaderChanges) {
    this.change = new HeaderChange(changes);
  }

  onResponseHead({ response }: Exchange): void {
    this.change.apply(response as ResponseHead);
  }
}
