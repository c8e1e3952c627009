/**
 * Verifies the bearer token of a request, if it has one, and refuses one that is not good.
 *
 * Invariants: `exchange.token` holds verified claims or null, and nothing else of a token is kept. In shadow mode nothing is refused; what a
 * token claims is known all the same, so a request waits for it.
 */
import { hash } from 'node:crypto';
import { reply, resume } from '../../core/course.ts';
import { type Exchange, STATE_ENDED } from '../../core/exchange.ts';
import { CONTINUE, type Filter, PAUSED, REPLIED, type Verdict } from '../../core/filter.ts';
import { type NamedPolicy, PolicyDecisions, policySource } from '../../core/policy-decision.ts';
import { BearerField } from './bearer-field.ts';
import type { JwtSpec } from './config.ts';
import type { TokenRefusal } from './refusal.ts';
import type { TokenVerifier, TokenWaiter } from './token-verifier.ts';
import { VerifiedToken } from './verified-token.ts';

export class JwtFilter implements Filter {
  readonly name = 'jwt';
  private readonly verifier: TokenVerifier;
  private readonly field: BearerField;
  private readonly shadow: boolean;
  private readonly decisions: PolicyDecisions;

  constructor(policy: NamedPolicy<JwtSpec>, verifier: TokenVerifier, auditsAllowed = false) {
    this.verifier = verifier;
    this.field = new BearerField(policy.spec.header);
    this.shadow = policy.spec.mode === 'shadow';
    this.decisions = new PolicyDecisions(policySource('jwt', policy), auditsAllowed);
  }

  onRequestHead(exchange: Exchange): Verdict {
    const { field, verifier } = this;
    if (!field.find(exchange.request)) return CONTINUE;
    if (field.refusal !== null) return this.refuses(exchange, field.refusal) ? REPLIED : CONTINUE;
    const bytes = exchange.request.bytes.subarray(field.start, field.end);
    const digest = hash('sha256', bytes, 'base64');
    const token = verifier.recall(digest);
    if (token !== null) {
      verifier.series.count('cached');
      this.accept(exchange, token);
      return CONTINUE;
    }
    const refusal = verifier.verify(digest, bytes.toString('latin1'), new Waiting(exchange, this));
    if (refusal === null) return PAUSED;
    return this.refuses(exchange, refusal) ? REPLIED : CONTINUE;
  }

  onResponseHead(exchange: Exchange): void {
    const { tokenRefusal, response, replied } = exchange;
    if (tokenRefusal === null || tokenRefusal.challenge === null || !replied || response === null) return;
    if (exchange.failure === tokenRefusal.failure) response.add('www-authenticate', tokenRefusal.challenge);
  }

  /** The exchange is paused. */
  settle(exchange: Exchange, outcome: VerifiedToken | TokenRefusal): void {
    // Its heads are no longer its own.
    if (exchange.state === STATE_ENDED) return;
    if (outcome instanceof VerifiedToken) {
      this.verifier.series.count('verified');
      this.accept(exchange, outcome);
    } else if (this.refuses(exchange, outcome)) return;
    resume(exchange);
  }

  private accept(exchange: Exchange, token: VerifiedToken): void {
    exchange.token = token;
    this.decisions.allow(exchange, token.issuer);
  }

  private refuses(exchange: Exchange, refusal: TokenRefusal): boolean {
    const { failure, reason, description } = refusal;
    this.verifier.series.count(reason);
    this.decisions.deny(exchange, reason, failure);
    if (this.shadow) return false;
    exchange.tokenRefusal = refusal;
    reply(exchange, failure, description);
    return true;
  }
}

class Waiting implements TokenWaiter {
  private readonly exchange: Exchange;
  private readonly filter: JwtFilter;
  private outcome: VerifiedToken | TokenRefusal | null = null;

  constructor(exchange: Exchange, filter: JwtFilter) {
    this.exchange = exchange;
    this.filter = filter;
  }

  onOutcome(outcome: VerifiedToken | TokenRefusal): void {
    this.outcome = outcome;
    this.exchange.time.handle(this.proceed);
  }

  private readonly proceed = (): void => {
    if (this.outcome !== null) this.filter.settle(this.exchange, this.outcome);
  };
}
