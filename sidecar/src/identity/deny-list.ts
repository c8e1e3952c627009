/**
 * Who is not let in though the certificate is good: workloads by SPIFFE id, single certificates by serial number. It comes with the trust bundle, as a member of
 * its own, which others ignore.
 *
 * Invariants: bounded. A list that can't be read is an error and never an empty list.
 */
import { z } from 'zod';

export interface DenyList {
  readonly spiffeIds: ReadonlySet<string>;
  /** Hexadecimal, lower case. */
  readonly serialNumbers: ReadonlySet<string>;
}

export const NOBODY_DENIED: DenyList = { spiffeIds: new Set(), serialNumbers: new Set() };

/** Of ids and serial numbers together; with the length of an id that bounds the document. */
export const MAX_DENIED = 1_000;
export const MAX_DENIED_ID_CHARS = 512;

/** `serialNumber` in any case. */
export function isDenied({ spiffeIds, serialNumbers }: DenyList, id: string, serialNumber: string): boolean {
  return spiffeIds.has(id) || (serialNumbers.size > 0 && serialNumbers.has(serialNumber.toLowerCase()));
}

/** JSON. */
export function writeDenyList({ spiffeIds, serialNumbers }: DenyList): DenyListDocument {
  return { spiffe_ids: [...spiffeIds].sort(), serial_numbers: [...serialNumbers].sort() };
}

export function readDenyList({ spiffe_ids, serial_numbers }: DenyListDocument): DenyList {
  return { spiffeIds: new Set(spiffe_ids), serialNumbers: new Set(serial_numbers) };
}

export type DenyListDocument = z.infer<typeof denyListDocument>;

export const denyListDocument = z.strictObject({
  spiffe_ids: z.array(z.string().max(MAX_DENIED_ID_CHARS)).max(MAX_DENIED),
  serial_numbers: z.array(z.string().regex(/^[0-9a-f]{1,40}$/)).max(MAX_DENIED),
});
