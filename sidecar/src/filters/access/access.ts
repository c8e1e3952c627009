/**
 * Lets through what the rules of an AccessPolicy allow, and answers the rest.
 *
 * Invariant: in shadow mode everything is decided and counted, and nothing comes of it.
 */
import { reply } from '../../core/course.ts';
import type { Exchange } from '../../core/exchange.ts';
import { CONTINUE, type Filter, REPLIED, type Verdict } from '../../core/filter.ts';
import type { RequestRules } from './rules.ts';

export class AccessFilter implements Filter {
  readonly name = 'access';
  private readonly rules: RequestRules;
  private readonly auditsAllowed: boolean;

  constructor(rules: RequestRules, auditsAllowed = false) {
    this.rules = rules;
    this.auditsAllowed = auditsAllowed;
  }

  onRequestHead(exchange: Exchange): Verdict {
    const outcome = this.rules.decide(exchange);
    outcome.series.count++;
    exchange.access = outcome;
    const isAllowed = outcome.decision === 'allow';
    if (!isAllowed || this.auditsAllowed) exchange.noteDecision(outcome.decided);
    if (isAllowed || outcome.decision === 'would_deny') return CONTINUE;
    reply(exchange, outcome.failure, outcome.describe(exchange.peerIdentity));
    return REPLIED;
  }
}
