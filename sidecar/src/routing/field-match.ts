/**
 * Conditions on the fields of a request: what config may say, and the form that is compared with bytes.
 *
 * Invariants: names compare without regard to case, values byte for byte. A field that is repeated is compared as one value, its lines
 * joined by commas (RFC 9110 section 5.3).
 */
import { z } from 'zod';
import { text } from '../config/values.ts';
import { findFieldId, OTHER_FIELD } from '../protocol/field-names.ts';
import type { Head } from '../protocol/head.ts';
import { equalsWord } from '../protocol/http1/scan.ts';

const MAX_MATCHES = 16;
const MAX_VALUE_CHARS = 4_096;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/;

const fieldName = text((value) =>
  TOKEN.test(value) ? null : 'must be the name of a header field',
).transform((value) => value.toLowerCase());

export const headerMatches = z
  .array(
    z.strictObject({
      name: fieldName,
      type: z.enum(['Exact']).default('Exact'),
      value: z.string().min(1).max(MAX_VALUE_CHARS),
    }),
  )
  .max(MAX_MATCHES)
  .default([])
  .superRefine((matches, context) => {
    matches.forEach(({ name }, index) => {
      if (matches.findIndex((other) => other.name === name) === index) return;
      context.addIssue({
        code: 'custom',
        path: [index, 'name'],
        message: `repeats "${name}"; case makes no difference in names of fields`,
        params: { suggestion: 'keep one of the two' },
      });
    });
  });

export type HeaderMatch = z.output<typeof headerMatches>[number];

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
  private readonly value: Buffer;

  constructor({ name, value }: HeaderMatch) {
    this.name = Buffer.from(name);
    this.id = findFieldId(this.name, 0, this.name.length);
    this.value = Buffer.from(value);
  }

  matches(head: Head): boolean {
    const row = this.find(head, 0);
    if (row === -1) return false;
    if (this.find(head, row + 1) !== -1) return this.value.equals(this.joined(head, row));
    return equalsBytes(head.bytes, head.valueStart(row), head.valueEnd(row), this.value);
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
    return equalsWord(head.bytes, head.lineStart(row), head.nameEnd(row), this.name);
  }

  private joined(head: Head, first: number): Buffer {
    const parts: Buffer[] = [];
    for (let row = first; row !== -1; row = this.find(head, row + 1)) {
      if (parts.length > 0) parts.push(COMMA);
      parts.push(head.bytes.subarray(head.valueStart(row), head.valueEnd(row)));
    }
    return Buffer.concat(parts);
  }
}

const COMMA = Buffer.from(',');

function equalsBytes(bytes: Uint8Array, start: number, end: number, value: Uint8Array): boolean {
  if (end - start !== value.length) return false;
  for (let i = 0; i < value.length; i++) if (bytes[start + i] !== value[i]) return false;
  return true;
}
