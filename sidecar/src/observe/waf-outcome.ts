/**
 * What a WAF policy found, as a line of the access log and a span tell it. The log alone has samples of what was found.
 */
import type { WafOutcome } from '../filters/waf/outcome.ts';
import { type JsonLine, jsonKey } from './json-line.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import type { SomeAttributes } from './own-span.ts';

export function writeWaf(line: JsonLine, { decision, policy, score, hits }: WafOutcome): void {
  line.text(KEY.decision, decision);
  line.text(KEY.policy, policy);
  line.number(KEY.score, score);
  if (hits.length === 0) return;
  const found = hits.map(({ rule, location, sample }) => `${rule.id} in ${location}: ${sample}`).join('; ');
  line.text(KEY.hits, found.slice(0, OBSERVE_LIMITS.accessLogWafChars));
}

/** `label` is that of an outcome; empty for none. */
export function wafAttributes(label: string): SomeAttributes {
  const [decision = '', policy = '', rule = ''] = label.split(' ');
  return { 'tulle.waf.decision': decision, 'tulle.waf.policy': policy, 'tulle.waf.rule': rule };
}

const KEY = {
  decision: jsonKey('waf'),
  policy: jsonKey('waf_policy'),
  score: jsonKey('waf_score'),
  hits: jsonKey('waf_hits'),
};
