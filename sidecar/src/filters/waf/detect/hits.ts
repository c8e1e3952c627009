/** The hits of one request: what exceptions leave of what detectors find, each rule once a place. */
import { RULES, type Rule, type RuleSet } from '../rules.ts';
import { MOST_HITS } from './limits.ts';
import { sampleOf } from './sample.ts';

export interface Hit {
  readonly rule: Rule;
  /** `path`, `query.a`, `header.a`, `cookie.a`, `form.a`, `json.a.b` */
  readonly location: string;
  /** Of the decoded value: cut and masked. */
  readonly sample: string;
}

export interface Exception {
  /** Ids or tags of rules; all, if there are none. */
  readonly rules: readonly string[];
  /** `*` stands for any characters. */
  readonly location: string;
}

/** What knows where the value is that is being looked at. Asked only when there is a hit. */
export interface Place {
  location(): string;
}

export class Hits {
  score = 0;
  readonly list: Hit[] = [];
  private readonly exceptions: readonly Exception[];

  constructor(exceptions: readonly Exception[]) {
    this.exceptions = exceptions;
  }

  clear(): void {
    this.score = 0;
    this.list.length = 0;
  }

  /** Takes what was found in `text[start, end)`, and forgets it there. Returns whether anything of it is a new hit. */
  take(found: RuleSet, text: Uint8Array, start: number, end: number, place: Place): boolean {
    const before = this.list.length;
    const location = place.location();
    for (let i = 0; i < found.count; i++) {
      const rule = RULES[found.indices[i] as number] as Rule;
      if (this.list.length === MOST_HITS || this.isKnown(rule, location) || this.isExcepted(rule, location))
        continue;
      this.list.push({ rule, location, sample: sampleOf(text, start, end, found.positions[i] as number) });
      this.score += rule.score;
    }
    found.clear();
    return this.list.length > before;
  }

  private isKnown(rule: Rule, location: string): boolean {
    return this.list.some((hit) => hit.rule === rule && hit.location === location);
  }

  private isExcepted(rule: Rule, location: string): boolean {
    return this.exceptions.some(
      ({ rules, location: pattern }) =>
        (rules.length === 0 || rules.includes(rule.id) || rules.includes(rule.tag)) &&
        isLike(location, pattern),
    );
  }
}

/** Each part between stars is looked for once, behind the one before. */
export function isLike(text: string, pattern: string): boolean {
  const parts = pattern.split('*');
  const first = parts[0] as string;
  if (parts.length === 1) return text === pattern;
  const last = parts.at(-1) as string;
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last))
    return false;
  let at = first.length;
  const end = text.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const next = text.indexOf(part, at);
    if (next === -1 || next + part.length > end) return false;
    at = next + part.length;
  }
  return true;
}
