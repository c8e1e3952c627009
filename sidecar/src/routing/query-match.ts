/**
 * Conditions on the parameters of a query.
 *
 * Invariants: names and values compare as they are once `%41` was read as `A`; a plus sign is a plus sign. Of a parameter that is repeated
 * the first value counts. Nothing is allocated unless a regular expression is asked about a value that needed reading.
 */
import { z } from 'zod';
import type { RequestHead } from '../protocol/head.ts';
import { refuseRepeated } from './names.ts';
import {
  checkPattern,
  createValueMatcher,
  matchType,
  type ValueMatch,
  type ValueMatcher,
} from './value-match.ts';

const MAX_MATCHES = 16;
const MAX_NAME_CHARS = 256;
const MAX_VALUE_CHARS = 1_024;

const AMPERSAND = 0x26;
const EQUALS = 0x3d;
const PER_CENT = 0x25;

export const queryMatches = z
  .array(
    z
      .strictObject({
        name: z.string().min(1).max(MAX_NAME_CHARS),
        type: matchType,
        value: z.string().min(1).max(MAX_VALUE_CHARS),
      })
      .superRefine(checkPattern),
  )
  .max(MAX_MATCHES)
  .default([])
  .superRefine(refuseRepeated);

export type QueryMatch = ValueMatch & { readonly name: string };

export class QueryMatcher {
  private readonly name: Buffer;
  private readonly value: ValueMatcher;

  constructor(match: QueryMatch) {
    this.name = Buffer.from(match.name);
    this.value = createValueMatcher(match);
  }

  matches({ bytes, queryStart, pathEnd }: RequestHead): boolean {
    let at = queryStart;
    while (at < pathEnd) {
      const end = find(bytes, at, pathEnd, AMPERSAND);
      const nameEnd = find(bytes, at, end, EQUALS);
      if (this.isNamed(bytes, at, nameEnd)) return this.matchesValue(bytes, Math.min(nameEnd + 1, end), end);
      at = end + 1;
    }
    return false;
  }

  private isNamed(bytes: Buffer, start: number, end: number): boolean {
    const { name } = this;
    let at = start;
    for (let i = 0; i < name.length; i++) {
      if (at >= end) return false;
      const escaped = escapedByte(bytes, at, end);
      if ((escaped === -1 ? bytes[at] : escaped) !== name[i]) return false;
      at += escaped === -1 ? 1 : 3;
    }
    return at === end;
  }

  private matchesValue(bytes: Buffer, start: number, end: number): boolean {
    if (find(bytes, start, end, PER_CENT) === end) return this.value.matches(bytes, start, end);
    const read = readEscapes(bytes, start, end);
    return this.value.matches(read, 0, read.length);
  }
}

function find(bytes: Buffer, start: number, end: number, wanted: number): number {
  let at = start;
  while (at < end && bytes[at] !== wanted) at++;
  return at;
}

function readEscapes(bytes: Buffer, start: number, end: number): Buffer {
  const read = Buffer.allocUnsafe(end - start);
  let length = 0;
  for (let at = start; at < end; length++) {
    const escaped = escapedByte(bytes, at, end);
    read[length] = escaped === -1 ? (bytes[at] as number) : escaped;
    at += escaped === -1 ? 1 : 3;
  }
  return read.subarray(0, length);
}

/** The byte that is written at `at` as per cent and two digits, or -1. */
function escapedByte(bytes: Buffer, at: number, end: number): number {
  if (bytes[at] !== PER_CENT || at + 2 >= end) return -1;
  const high = digitOf(bytes[at + 1] as number);
  const low = digitOf(bytes[at + 2] as number);
  return high === -1 || low === -1 ? -1 : high * 16 + low;
}

function digitOf(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
