/**
 * Conditions on a value that lies in bytes: equal to a text, or matched whole by a regular expression.
 *
 * Invariants: nothing is made of the bytes to compare them. Regular expressions are those of RE2 (https://github.com/google/re2/wiki/Syntax),
 * whose time grows no faster than the value; both their size and that of the value are bounded. The built-in ones, which can take forever,
 * never see a request.
 */
import { RE2JS } from 're2js';
import { z } from 'zod';
import { LIMITS } from '../core/limits.ts';

export type ValueMatch = { readonly type: 'Exact' | 'RegularExpression'; readonly value: string };

export interface ValueMatcher {
  matches(bytes: Buffer, start: number, end: number): boolean;
}

export const matchType = z.enum(['Exact', 'RegularExpression']).default('Exact');

export function createValueMatcher({ type, value }: ValueMatch): ValueMatcher {
  return type === 'Exact' ? new ExactValue(Buffer.from(value)) : new Pattern(value);
}

/** What is wrong with a regular expression, or null. */
export function explainPattern(pattern: string): string | null {
  try {
    const size = RE2JS.compile(pattern).programSize();
    if (size <= LIMITS.patternInstructions) return null;
    return `is a regular expression that takes ${size} instructions, and ${LIMITS.patternInstructions} is the most`;
  } catch (error) {
    const reason = (error as Error).message.replace('error parsing regexp: ', '');
    return `is not a regular expression of RE2: ${reason}`;
  }
}

/** A pattern that matches `text` and nothing else. */
export function quotePattern(text: string): string {
  return RE2JS.quote(text);
}

/** Adds an issue where a regular expression can't be used. */
export function checkPattern({ type, value }: ValueMatch, context: z.core.$RefinementCtx): void {
  const message = type === 'RegularExpression' ? explainPattern(value) : null;
  if (message === null) return;
  const suggestion = 'https://github.com/google/re2/wiki/Syntax says what there is';
  context.addIssue({ code: 'custom', path: ['value'], message, params: { suggestion } });
}

export class ExactValue implements ValueMatcher {
  private readonly value: Buffer;

  constructor(value: Buffer) {
    this.value = value;
  }

  matches(bytes: Buffer, start: number, end: number): boolean {
    const { value } = this;
    if (end - start !== value.length) return false;
    for (let i = 0; i < value.length; i++) if (bytes[start + i] !== value[i]) return false;
    return true;
  }
}

class Pattern implements ValueMatcher {
  private readonly pattern: RE2JS;

  constructor(source: string) {
    this.pattern = RE2JS.compile(source);
  }

  matches(bytes: Buffer, start: number, end: number): boolean {
    // A value that long is none that a pattern was written for, and would take long to be told so.
    if (end - start > LIMITS.patternValueBytes) return false;
    return this.pattern.testExact(bytes.subarray(start, end));
  }
}
