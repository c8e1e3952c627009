/**
 * Conditions on the path of a request. Those of a deny rule take for the same what some servers do; those of an allow rule do not.
 */
import { LIMITS } from '../../core/limits.ts';
import { equalsBytes } from '../../protocol/method.ts';
import { createValueMatcher, type ValueMatcher } from '../../routing/value-match.ts';
import type { AccessRuleSpec, PathSpec } from './config.ts';
import { foldText, type RequestPath, readPathText } from './request-path.ts';

export interface PathMatcher {
  matches(path: RequestPath): boolean;
}

const SLASH = 0x2f;
const WILDCARD = '/*';
const NO_BYTES = Buffer.alloc(0);

/** Any of them is enough; null for every path. */
export function createPathMatchers({
  action,
  to,
}: Pick<AccessRuleSpec, 'action' | 'to'>): readonly PathMatcher[] | null {
  const specs: PathSpec[] = [
    ...(to.paths ?? []),
    // A method of gRPC is a path, and a service all paths below it.
    ...(to.grpc ?? []).map(({ service, method = '*' }) => `/${service}/${method}`),
  ];
  if (specs.length === 0) return null;
  const denies = action === 'deny';
  return specs.map((spec) => {
    if (typeof spec !== 'string') return denies ? new FoldedPattern(spec.regex) : new Pattern(spec.regex);
    const below = spec.endsWith(WILDCARD);
    const text = below ? spec.slice(0, -WILDCARD.length) : spec;
    return denies ? new FoldedPath(text, below) : new StrictPath(text, below);
  });
}

/** As it is written, or with all below it. */
class StrictPath implements PathMatcher {
  private readonly value: Buffer;
  private readonly below: boolean;

  constructor(text: string, below: boolean) {
    this.value = required(text);
    this.below = below;
  }

  matches({ bytes, start, end }: RequestPath): boolean {
    const { value, below } = this;
    const valueEnd = start + value.length;
    if (valueEnd > end) return false;
    if (valueEnd !== end && !(below && bytes[valueEnd] === SLASH)) return false;
    return equalsBytes(bytes, start, valueEnd, value);
  }
}

class FoldedPath implements PathMatcher {
  private readonly value: Buffer;
  private readonly below: boolean;

  constructor(text: string, below: boolean) {
    const value = foldText(required(text).toString());
    this.value = Buffer.from(value.length > 1 && value.endsWith('/') ? value.slice(0, -1) : value);
    this.below = below;
  }

  matches({ folded, foldedStart, foldedEnd }: RequestPath): boolean {
    const { value, below } = this;
    const valueEnd = foldedStart + value.length;
    if (valueEnd > foldedEnd) return false;
    if (valueEnd !== foldedEnd && !(below && folded[valueEnd] === SLASH)) return false;
    for (let i = 0; i < value.length; i++) {
      const byte = folded[foldedStart + i] as number;
      if ((byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte) !== value[i]) return false;
    }
    return true;
  }
}

class Pattern implements PathMatcher {
  private readonly pattern: ValueMatcher;

  constructor(value: string) {
    this.pattern = createValueMatcher({ type: 'RegularExpression', value });
  }

  matches({ bytes, start, end }: RequestPath): boolean {
    return this.pattern.matches(bytes, start, end);
  }
}

/** Whatever the letter case, with a slash at the end and without. A path too long to be asked about is denied. */
class FoldedPattern implements PathMatcher {
  private readonly pattern: ValueMatcher;

  constructor(value: string) {
    this.pattern = createValueMatcher({ type: 'RegularExpression', value: `(?i:${value})` });
  }

  matches({ folded, foldedStart, foldedEnd }: RequestPath): boolean {
    if (foldedEnd - foldedStart >= LIMITS.patternValueBytes) return true;
    if (this.pattern.matches(folded, foldedStart, foldedEnd)) return true;
    const slashed = Buffer.concat([folded.subarray(foldedStart, foldedEnd), SLASH_BYTES]);
    return this.pattern.matches(slashed, 0, slashed.length);
  }
}

const SLASH_BYTES = Buffer.from('/');

function required(text: string): Buffer {
  if (text === '') return NO_BYTES;
  const bytes = readPathText(text);
  if (bytes === null) throw new Error('a path with more than one reading: config.ts lets none through');
  return bytes;
}
