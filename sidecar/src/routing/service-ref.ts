/**
 * How routes refer to services: to those whose requests they route, and to those that requests go to.
 */
import { z } from 'zod';
import { dottedName, label, unsupported } from '../config/values.ts';

const MAX_PARENTS = 32;
const port = z.int().min(1).max(65_535);

export const parentRefs = z
  .array(
    z.strictObject({
      // The group of Services in Kubernetes is the empty one.
      group: z.literal('').optional(),
      kind: z.literal('Service'),
      name: dottedName,
      namespace: label.optional(),
      port: port.optional(),
      sectionName: unsupported('ports are known by their number: use port'),
    }),
  )
  .min(1)
  .max(MAX_PARENTS);

/** The endpoints of a service have ports of their own, so that the one of a reference makes no difference. */
export const serviceRef = z.strictObject({
  group: z.literal('').optional(),
  kind: z.literal('Service').optional(),
  name: dottedName,
  namespace: label.optional(),
  port: port.optional(),
});
