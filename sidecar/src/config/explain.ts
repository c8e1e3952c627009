/**
 * Turns what zod found into what a person can act on: the path, one plain sentence, and a suggestion taken from the schema
 * itself (the nearest known key, the place where a misplaced key belongs, the nearest allowed value).
 */
import { z } from 'zod';
import { closest } from './closest.ts';
import type { KeyPath } from './problem.ts';
import { formatPath, quote } from './problem.ts';

export type Finding = {
  readonly path: KeyPath;
  readonly message: string;
  readonly suggestion: string | null;
  /** What to point at: the key that should not be there, the value that is wrong, or what lacks the key. */
  readonly at: 'key' | 'value' | 'parent';
};

export function explainIssues(
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  schema: z.core.$ZodType,
): Finding[] {
  const findings: Finding[] = [];
  const missing: Finding[] = [];
  // A misspelt required key is one mistake: the key it was meant to be is then not reported as missing as well.
  const meant = new Set<string>();

  for (const issue of issues.flatMap((each) => narrow(each, value))) {
    const path = issue.path as KeyPath;
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const known = closest(key, knownKeys(schema, path));
        if (known !== null) meant.add(formatPath([...path, known]));
        const suggestion = known === null ? suggestHome(schema, key) : `did you mean \`${known}\`?`;
        findings.push({ path: [...path, key], message: 'is not a known key', suggestion, at: 'key' });
      }
    } else if (valueAt(value, path) === undefined) {
      const fixed = issue.code === 'invalid_value' && issue.values.length === 1 ? issue.values[0] : null;
      const suggestion = fixed === null ? null : `write \`${String(path.at(-1))}: ${String(fixed)}\``;
      missing.push({ path, message: 'is required', suggestion, at: 'parent' });
    } else {
      findings.push({ path, ...explainValue(issue, valueAt(value, path)), at: 'value' });
    }
  }
  return [...findings, ...missing.filter(({ path }) => !meant.has(formatPath(path)))];
}

/** Of a value that may have one of several shapes, what is wrong with the one that it looks like. */
function narrow(issue: z.core.$ZodIssue, value: unknown): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const path = issue.path as KeyPath;
  const meant = issue.errors.find((errors) =>
    errors.every(({ code, path: below }) => code !== 'invalid_type' || below.length > 0),
  );
  const below = (meant ?? []).map((each) => ({ ...each, path: [...path, ...each.path] }));
  return below.length === 0 ? [issue] : below.flatMap((each) => narrow(each as z.core.$ZodIssue, value));
}

function explainValue(issue: z.core.$ZodIssue, value: unknown): Pick<Finding, 'message' | 'suggestion'> {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.expected === 'never') return { message: 'is not supported', suggestion: issue.message };
      return {
        // Where text is expected a secret may stand, so only the kind of what is there is told.
        message: `must be ${NOUNS[issue.expected] ?? issue.expected}, not ${issue.expected === 'string' ? kindOf(value) : quote(value)}`,
        suggestion: suggestType(issue.expected, value),
      };
    case 'invalid_value': {
      const allowed = issue.values.map(String);
      const near = typeof value === 'string' ? closest(value, allowed) : null;
      return {
        message: `must be ${allowed.join(' or ')}, not ${quote(value)}`,
        suggestion: near === null ? null : `did you mean "${near}"?`,
      };
    }
    case 'too_small':
      return { message: `must ${bound(issue.origin, 'at least', issue.minimum, value)}`, suggestion: null };
    case 'too_big':
      return { message: `must ${bound(issue.origin, 'at most', issue.maximum, value)}`, suggestion: null };
    case 'custom':
      return { message: issue.message, suggestion: issue.params?.suggestion ?? null };
    case 'invalid_union':
      return { message: `${issue.message}, not ${quote(value)}`, suggestion: null };
    default:
      return { message: issue.message, suggestion: null };
  }
}

/** zod's names for what was expected, in words of people who never heard of it. */
const NOUNS: Record<string, string | undefined> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  object: 'a mapping',
  array: 'a list',
};

function kindOf(value: unknown): string {
  return typeof value === 'object' ? quote(value) : `a ${typeof value}`;
}

function bound(origin: string, relation: string, limit: number | bigint, value: unknown): string {
  if (origin === 'array') return `have ${relation} ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
  return `be ${relation} ${limit}, not ${quote(value)}`;
}

/** Units people write after a duration, though the config takes bare milliseconds. */
const MS_PER_UNIT: Record<string, number | undefined> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function suggestType(expected: string, value: unknown): string | null {
  if (expected === 'string') {
    if (typeof value === 'number' || typeof value === 'boolean') return 'put it in quotes';
    // A bare `[::1]` is a list to YAML.
    return Array.isArray(value) ? 'text that starts with "[" needs quotes: "[::1]:8080"' : null;
  }
  if ((expected === 'number' || expected === 'int') && typeof value === 'string') {
    const [, digits, unit] = /^(\d+(?:\.\d+)?) ?(ms|s|m|h)?$/.exec(value) ?? [];
    if (digits === undefined) return null;
    if (unit === undefined) return 'remove the quotes';
    return `durations are whole milliseconds: ${Math.round(Number(digits) * (MS_PER_UNIT[unit] ?? 1))}`;
  }
  return null;
}

/** For a key that exists, only elsewhere: wrong indentation is as common as wrong spelling. */
function suggestHome(schema: z.core.$ZodType, key: string): string | null {
  const [name = ''] = key.split(':');
  const homes = findHomes(schema, name, '');
  if (homes.length === 0) return null;
  if (name !== key) return `put a space after the colon of \`${name}:\``;
  return `\`${key}\` belongs in ${homes.join(' or ')}`;
}

function findHomes(schema: z.core.$ZodType, key: string, path: string): string[] {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodArray) return findHomes(inner.element, key, `${path}[]`);
  if (!(inner instanceof z.ZodObject)) return [];
  const homes = Object.keys(inner.shape).includes(key) ? [path === '' ? 'the top level' : path] : [];
  for (const [name, child] of Object.entries<z.core.$ZodType>(inner.shape)) {
    homes.push(...findHomes(child, key, path === '' ? name : `${path}.${name}`));
  }
  return homes;
}

/** The keys the schema allows at a path of the document. */
function knownKeys(root: z.core.$ZodType, path: KeyPath): string[] {
  let schema = unwrap(root);
  for (const step of path) {
    if (schema instanceof z.ZodArray) schema = unwrap(schema.element);
    else if (schema instanceof z.ZodObject) schema = unwrap(schema.shape[step]);
  }
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

/** Less the wrappers that say what happens when a value is absent, or what is made of it; of several shapes, the one that has keys. */
function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional) return unwrap(schema.unwrap());
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) return unwrap(schema.unwrap());
  if (schema instanceof z.ZodPipe) return unwrap(schema.in);
  if (!(schema instanceof z.ZodUnion)) return schema;
  return schema.options.map(unwrap).find((option) => option instanceof z.ZodObject) ?? schema;
}

/** Undefined means absent: YAML has null, but no undefined. */
function valueAt(value: unknown, path: KeyPath): unknown {
  let current = value;
  for (const step of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, step)) return undefined;
    current = (current as Record<string | number, unknown>)[step];
  }
  return current;
}
