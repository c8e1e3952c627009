/**
 * Which rules can apply to whom: found once for an identity and once for an address, then looked up.
 *
 * Invariants: a peer without an identity is not anybody whom a rule names by identity, namespace or trust domain. Namespaces are those of the
 * own trust domain, unless the rule names others: two domains may have namespaces of one name.
 */
import { BlockList } from 'node:net';
import { LIMITS } from '../../core/limits.ts';
import { parseWorkloadId } from '../../identity/spiffe-id.ts';
import { trustDomainOf } from '../../identity/uri-name.ts';
import { type AccessRuleSpec, needsIdentity, readRange } from './config.ts';

export interface PeerRule {
  readonly spec: AccessRuleSpec;
  /** Null for every address. */
  readonly addresses: AddressRanges | null;
}

/** The rules that can apply to a peer, in their order. */
export class PeerTable<Rule extends PeerRule> {
  private readonly rules: readonly Rule[];
  private readonly ownTrustDomain: string;
  private readonly known = new Map<string, readonly Rule[]>();

  constructor(rules: readonly Rule[], ownTrustDomain: string) {
    this.rules = rules;
    this.ownTrustDomain = ownTrustDomain;
  }

  rulesFor(identity: string): readonly Rule[] {
    return this.known.get(identity) ?? this.learn(identity);
  }

  private learn(identity: string): readonly Rule[] {
    const rules = this.rules.filter(({ spec }) => matchesIdentity(spec, identity, this.ownTrustDomain));
    if (this.known.size >= LIMITS.accessPeers) this.known.clear();
    this.known.set(identity, rules);
    return rules;
  }
}

export function matchesIdentity(rule: AccessRuleSpec, identity: string, ownTrustDomain: string): boolean {
  if (!needsIdentity(rule)) return true;
  if (identity === '') return false;
  const { identities, namespaces, trustDomains } = rule.from;
  if (identities !== undefined && !identities.some((entry) => includes(entry, identity))) return false;
  const trustDomain = trustDomainOf(identity);
  if (trustDomains !== undefined && !trustDomains.includes(trustDomain)) return false;
  if (namespaces === undefined) return true;
  if (trustDomains === undefined && trustDomain !== ownTrustDomain) return false;
  return namespaces.includes(parseWorkloadId(identity)?.namespace ?? '');
}

/** `spiffe://a/b/*` is all below `spiffe://a/b`, and not that itself. */
function includes(entry: string, identity: string): boolean {
  return entry.endsWith('/*') ? identity.startsWith(entry.slice(0, -1)) : entry === identity;
}

export class AddressRanges {
  private readonly ranges = new BlockList();
  private readonly known = new Map<string, boolean>();

  constructor(ranges: readonly string[]) {
    for (const text of ranges) {
      const range = readRange(text);
      if (range !== null) this.ranges.addSubnet(range.address, range.prefix, range.family);
    }
  }

  includes(address: string): boolean {
    return this.known.get(address) ?? this.learn(address);
  }

  private learn(address: string): boolean {
    // How an IPv4 peer is called by a listener for both families.
    const plain = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
    const found = this.ranges.check(plain, plain.includes(':') ? 'ipv6' : 'ipv4');
    if (this.known.size >= LIMITS.accessPeers) this.known.clear();
    this.known.set(address, found);
    return found;
  }
}
