/**
 * Conditions on the fields of a request: what config may say, and the form that is compared with bytes.
 *
 * Invariants: names compare without regard to case. A field that is repeated is compared as one value, its lines joined by commas
 * (RFC 9110 section 5.3).
 */
import { z } from 'zod';
import { findFieldId, OTHER_FIELD } from '../protocol/field-names.ts';
import type { Head } from '../protocol/head.ts';
import { fieldName, refuseRepeated } from './names.ts';
import {
  checkPattern,
  createValueMatcher,
  matchType,
  type ValueMatch,
  type ValueMatcher,
} from './value-match.ts';

const MAX_MATCHES = 16;
const MAX_VALUE_CHARS = 4_096;

export const headerMatches = z
  .array(
    z
      .strictObject({ name: fieldName, type: matchType, value: z.string().min(1).max(MAX_VALUE_CHARS) })
      .superRefine(checkPattern),
  )
  .max(MAX_MATCHES)
  .default([])
  .superRefine(refuseRepeated);

export type HeaderMatch = ValueMatch & { readonly name: string };

/** All conditions of a list: true for an empty one. */
export class FieldMatches {
  private readonly matchers: readonly FieldMatcher[];

  constructor(matches: readonly HeaderMatch[]) {
    this.matchers = matches.map((match) => new FieldMatcher(match));
  }

  matches(head: Head): boolean {
    for (let i = 0; i < this.matchers.length; i++) {
      if (!(this.matchers[i] as FieldMatcher).matches(head)) return false;
    }
    return true;
  }
}

class FieldMatcher {
  private readonly name: Buffer;
  private readonly id: number;
  private readonly value: ValueMatcher;

  constructor(match: HeaderMatch) {
    this.name = Buffer.from(match.name);
    this.id = findFieldId(this.name, 0, this.name.length);
    this.value = createValueMatcher(match);
  }

  matches(head: Head): boolean {
    const row = this.find(head, 0);
    if (row === -1) return false;
    if (this.find(head, row + 1) === -1) {
      return this.value.matches(head.bytes, head.valueStart(row), head.valueEnd(row));
    }
    const joined = this.join(head, row);
    return this.value.matches(joined, 0, joined.length);
  }

  private find(head: Head, from: number): number {
    if (this.id !== OTHER_FIELD && head.firstRow[this.id] === -1) return -1;
    for (let row = from; row < head.rows; row++) {
      if (head.dropped[row] === 0 && head.ids[row] === this.id && this.isNamed(head, row)) return row;
    }
    return -1;
  }

  private isNamed(head: Head, row: number): boolean {
    if (this.id !== OTHER_FIELD) return true;
    return head.isNamed(row, this.name);
  }

  private join(head: Head, first: number): Buffer {
    const parts: Buffer[] = [];
    for (let row = first; row !== -1; row = this.find(head, row + 1)) {
      if (parts.length > 0) parts.push(COMMA);
      parts.push(head.bytes.subarray(head.valueStart(row), head.valueEnd(row)));
    }
    return Buffer.concat(parts);
  }
}

const COMMA = Buffer.from(',');
