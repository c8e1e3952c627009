/**
 * What a WafPolicy says: how suspicious the inspection is, what it leaves out, and what becomes of bodies that can't be inspected.
 *
 * Invariant: every default is the safe one. A policy with nothing but its target refuses what it can't read.
 */
import { z } from 'zod';
import { closest } from '../../config/closest.ts';
import { policyMode, text, timeoutMs } from '../../config/values.ts';
import { plainPath } from '../access/config.ts';
import { RULE_TAGS, RULES } from './rules.ts';

export const WAF_BOUNDS = {
  exceptions: 32,
  /** Rules and paths of one exception. */
  entries: 32,
  locationChars: 256,
  threshold: 100,
  bodyBytes: 1_048_576,
  inflatedBytes: 4_194_304,
  depth: 128,
  fields: 10_000,
} as const;

const NAMES: readonly string[] = [...RULE_TAGS, ...RULES.map(({ id }) => id)];

const rule = z.string().superRefine((value, context) => {
  if (NAMES.includes(value)) return;
  const near = closest(value, NAMES);
  const suggestion = near === null ? `tags are ${RULE_TAGS.join(', ')}` : `did you mean "${near}"?`;
  context.addIssue({ code: 'custom', message: 'is no rule and no tag of rules', params: { suggestion } });
});

const location = text(
  (value) =>
    value !== '' && value.length <= WAF_BOUNDS.locationChars ? null : 'must be 1 to 256 characters',
  'write it as logs show it, with "*" for what may be anything',
);

const exception = z
  .strictObject({
    rules: z.array(rule).min(1).max(WAF_BOUNDS.entries).optional(),
    location: location.optional(),
    paths: z.array(plainPath).min(1).max(WAF_BOUNDS.entries).optional(),
  })
  .superRefine(({ rules, location }, context) => {
    if (rules !== undefined || location !== undefined) return;
    const params = {
      suggestion: 'give it `rules` or a `location`, or attach a policy with `mode: off`',
    };
    context.addIssue({ code: 'custom', message: 'would except everything', params });
  });

const body = z.strictObject({
  maxBytes: z.int().min(1_024).max(WAF_BOUNDS.bodyBytes).default(131_072),
  maxInflatedBytes: z.int().min(1_024).max(WAF_BOUNDS.inflatedBytes).default(1_048_576),
  maxDepth: z.int().min(1).max(WAF_BOUNDS.depth).default(32),
  maxFields: z.int().min(1).max(WAF_BOUNDS.fields).default(1_000),
  timeoutMs: timeoutMs(10_000),
  onOversize: z.enum(['refuse', 'inspectPrefix', 'pass']).default('refuse'),
  onUnparsable: z.enum(['refuse', 'pass']).default('refuse'),
  onUnknownType: z.enum(['inspect', 'refuse', 'pass']).default('inspect'),
  onGrpc: z.enum(['refuse', 'pass']).default('refuse'),
});

export const spec = z.strictObject({
  mode: policyMode,
  paranoia: z.literal([1, 2, 3]).default(1),
  threshold: z.int().min(1).max(WAF_BOUNDS.threshold).default(5),
  exceptions: z.array(exception).max(WAF_BOUNDS.exceptions).default([]),
  body: body.prefault({}),
});

export type WafSpec = z.output<typeof spec>;
export type WafBodySpec = WafSpec['body'];
export type WafException = WafSpec['exceptions'][number];
