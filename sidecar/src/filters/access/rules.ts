/**
 * The rules of a policy for one inbound listener, compiled.
 *
 * Invariants: rules are asked in their order and the first that applies decides; without one, access is denied. Rules for other ports are left
 * out when the policy is compiled. A decision reads bytes and allocates nothing, unless the path has escapes beyond ASCII or a rule a regular
 * expression.
 */
import type { Exchange } from '../../core/exchange.ts';
import { METHODS, methodIndex } from '../../observe/request-line.ts';
import type { RequestHead } from '../../protocol/head.ts';
import { FieldMatches } from '../../routing/field-match.ts';
import { ClaimMatches } from './claim-match.ts';
import { type AccessRuleSpec, needsRequest } from './config.ts';
import { HostMatcher, namesOneHost } from './host-match.ts';
import { type AccessOutcome, AMBIGUOUS, NO_RULE } from './outcome.ts';
import { overridesTarget } from './overrides.ts';
import { createPathMatchers, type PathMatcher } from './path-match.ts';
import { AddressRanges, type PeerRule, PeerTable } from './peers.ts';
import { RequestPath } from './request-path.ts';

/** For a rule, or what stands in place of one. */
export type OutcomeOf = (rule: string, allows: boolean) => AccessOutcome;

export interface RulesScope {
  readonly ownTrustDomain: string;
  readonly outcomeOf: OutcomeOf;
}

const ANY_METHOD = -1;

/** One for all: nobody waits between reading a path and comparing it. */
const path = new RequestPath();

export class RequestRules {
  private readonly peers: PeerTable<RequestRule>;
  private readonly readsPath: boolean;
  private readonly readsHost: boolean;
  private readonly readsMethod: boolean;
  private readonly none: AccessOutcome;
  private readonly ambiguous: AccessOutcome;

  constructor(specs: readonly AccessRuleSpec[], { ownTrustDomain, outcomeOf }: RulesScope) {
    const rules = specs.map((spec) => new RequestRule(spec, outcomeOf(spec.name, spec.action === 'allow')));
    this.peers = new PeerTable(rules, ownTrustDomain);
    this.readsPath = rules.some(({ paths }) => paths !== null);
    this.readsHost = rules.some(({ hosts }) => hosts !== null);
    this.readsMethod = rules.some(({ methods }) => methods !== ANY_METHOD);
    this.none = outcomeOf(NO_RULE, false);
    this.ambiguous = outcomeOf(AMBIGUOUS, false);
  }

  decide(exchange: Exchange): AccessOutcome {
    const { request, peerIdentity } = exchange;
    if (this.isAmbiguous(request)) return this.ambiguous;
    const rules = this.peers.rulesFor(peerIdentity);
    const method = this.readsMethod ? 1 << methodIndex(request) : 0;
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i] as RequestRule;
      if (rule.matches(exchange, method)) return rule.outcome;
    }
    return this.none;
  }

  private isAmbiguous(request: RequestHead): boolean {
    if (this.readsPath && !path.read(request)) return true;
    if (this.readsHost && !namesOneHost(request)) return true;
    return (this.readsPath || this.readsMethod) && overridesTarget(request);
  }
}

class RequestRule implements PeerRule {
  readonly spec: AccessRuleSpec;
  readonly outcome: AccessOutcome;
  readonly addresses: AddressRanges | null;
  readonly methods: number;
  readonly paths: readonly PathMatcher[] | null;
  readonly hosts: HostMatcher | null;
  private readonly fields: FieldMatches;
  private readonly claims: ClaimMatches;

  constructor(spec: AccessRuleSpec, outcome: AccessOutcome) {
    this.spec = spec;
    this.outcome = outcome;
    this.addresses = addressesOf(spec);
    this.methods = methodMask(spec);
    this.paths = createPathMatchers(spec);
    this.hosts = spec.to.hosts === undefined ? null : new HostMatcher(spec.to.hosts);
    this.fields = new FieldMatches(spec.when.headers);
    this.claims = new ClaimMatches(spec.when.claims ?? []);
  }

  matches({ request, peerAddress, token }: Exchange, method: number): boolean {
    if (this.methods !== ANY_METHOD && (this.methods & method) === 0) return false;
    if (this.addresses !== null && !this.addresses.includes(peerAddress)) return false;
    if (this.paths !== null && !matchesAny(this.paths)) return false;
    if (this.hosts !== null && !this.hosts.matches(request)) return false;
    return this.fields.matches(request) && this.claims.matches(token);
  }
}

function matchesAny(paths: readonly PathMatcher[]): boolean {
  for (let i = 0; i < paths.length; i++) if ((paths[i] as PathMatcher).matches(path)) return true;
  return false;
}

/** For deny rules: servers answer HEAD as they do GET, and may know an unknown method as another spelling of a known one. */
function methodMask({ action, to }: AccessRuleSpec): number {
  if (to.methods === undefined) return ANY_METHOD;
  const mask = to.methods.reduce((bits, name) => bits | bitOf(name), 0);
  if (action === 'allow') return mask;
  return mask | bitOf('_OTHER') | ((mask & bitOf('GET')) === 0 ? 0 : bitOf('HEAD'));
}

function bitOf(method: (typeof METHODS)[number]): number {
  return 1 << METHODS.indexOf(method);
}

/**
 * The rules about who may connect at all, for what is passed on unread. A rule that asks for more than a connection has lets nobody in, and
 * keeps out whom it might be about.
 */
export class ConnectionRules {
  private readonly peers: PeerTable<ConnectionRule>;
  private readonly none: AccessOutcome;

  constructor(specs: readonly AccessRuleSpec[], { ownTrustDomain, outcomeOf }: RulesScope) {
    const usable = specs.filter((spec) => spec.action === 'deny' || !needsRequest(spec));
    this.peers = new PeerTable(
      usable.map((spec) => ({
        spec,
        addresses: addressesOf(spec),
        outcome: outcomeOf(spec.name, spec.action === 'allow'),
      })),
      ownTrustDomain,
    );
    this.none = outcomeOf(NO_RULE, false);
  }

  decide(peerIdentity: string, peerAddress: string): AccessOutcome {
    const rule = this.peers
      .rulesFor(peerIdentity)
      .find(({ addresses }) => addresses === null || addresses.includes(peerAddress));
    return rule?.outcome ?? this.none;
  }
}

interface ConnectionRule extends PeerRule {
  readonly outcome: AccessOutcome;
}

function addressesOf({ from }: AccessRuleSpec): AddressRanges | null {
  return from.addresses === undefined ? null : new AddressRanges(from.addresses);
}
