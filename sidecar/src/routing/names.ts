/**
 * Names of fields and parameters in config.
 */
import type { z } from 'zod';
import { text } from '../config/values.ts';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/;

/** In lower case from here on. */
export const fieldName = text((value) =>
  TOKEN.test(value) ? null : 'must be the name of a header field',
).transform((value) => value.toLowerCase());

/** Of two entries with one name only one could be meant. */
export function refuseRepeated(entries: readonly { name: string }[], context: z.core.$RefinementCtx): void {
  entries.forEach(({ name }, index) => {
    if (entries.findIndex((other) => other.name === name) === index) return;
    context.addIssue({
      code: 'custom',
      path: [index, 'name'],
      message: `repeats "${name}"`,
      params: { suggestion: 'keep one of the two' },
    });
  });
}
