/**
 * What an access policy decided, as a line of the access log and a span tell it.
 */
import type { AccessOutcome } from '../filters/access/outcome.ts';
import { type JsonLine, jsonKey } from './json-line.ts';
import type { SomeAttributes } from './own-span.ts';

export function writeAccess(line: JsonLine, { decision, policy, rule }: AccessOutcome): void {
  line.text(KEY.decision, decision);
  line.text(KEY.policy, policy);
  line.text(KEY.rule, rule);
}

/** `label` is that of an outcome; empty for none. */
export function accessAttributes(label: string): SomeAttributes {
  const [decision = '', policy = '', rule = ''] = label.split(' ');
  return { 'tulle.access.decision': decision, 'tulle.access.policy': policy, 'tulle.access.rule': rule };
}

const KEY = {
  decision: jsonKey('access'),
  policy: jsonKey('access_policy'),
  rule: jsonKey('access_rule'),
};
