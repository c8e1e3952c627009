/**
 * The file that defines workflows as data. The gateway reads it to know which names exist, the worker to run them.
 */
import { z } from 'zod';
import { slug } from './contracts.ts';
import { LIMITS } from './limits.ts';

const step = z.discriminatedUnion('kind', [
  /** Fails the run for good when the input lacks one of the fields. */
  z.strictObject({
    name: slug,
    kind: z.literal('require'),
    fields: z.array(z.string().min(1)).min(1).max(64),
  }),
  /** SHA-256 of the input in canonical form: the same input gives the same result. */
  z.strictObject({ name: slug, kind: z.literal('digest') }),
  /** Keeps the text in a field of the input as a document `<runId>-<step>`, to be found by its meaning. */
  z.strictObject({ name: slug, kind: z.literal('embed'), field: z.string().min(1) }),
  /** Finds the tenant's documents that are nearest to the text in a field of the input. */
  z.strictObject({
    name: slug,
    kind: z.literal('search'),
    field: z.string().min(1),
    limit: z.int().min(1).max(LIMITS.searchResults).default(5),
  }),
  /** Hands an event to the webhook dispatcher. */
  z.strictObject({
    name: slug,
    kind: z.literal('webhook'),
    event: z
      .string()
      .regex(/^[a-z0-9_]+(\.[a-z0-9_]+)*$/, 'must be words joined by dots, such as order.placed'),
  }),
]);

const steps = z
  .array(step)
  .min(1)
  .max(LIMITS.workflowSteps)
  .refine(haveDistinctNames, 'two steps have the same name; a step is known by its name');

export const workflowFile = z.strictObject({
  workflows: z
    .record(slug, steps)
    .refine(
      (workflows) => Object.keys(workflows).length <= LIMITS.workflows,
      `at most ${LIMITS.workflows} workflows`,
    ),
});

export type WorkflowStep = z.infer<typeof step>;
export type Workflows = z.infer<typeof workflowFile>['workflows'];

function haveDistinctNames(list: { name: string }[]): boolean {
  return new Set(list.map((item) => item.name)).size === list.length;
}
