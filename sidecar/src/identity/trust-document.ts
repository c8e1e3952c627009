/**
 * What the authority says is to be trusted: the SPIFFE bundle of the trust domain, the bundles of foreign trust domains, and who is denied all the same.
 *
 * Invariant: a document counts as a whole.
 */
import { z } from 'zod';
import { type DenyList, denyListDocument, NOBODY_DENIED, readDenyList, writeDenyList } from './deny-list.ts';
import { readSpiffeBundle, type SpiffeBundle, writeSpiffeBundle } from './spiffe-bundle.ts';

export interface TrustDocument extends SpiffeBundle {
  readonly denied: DenyList;
  /** By the name of the trust domain. */
  readonly foreign: ReadonlyMap<string, SpiffeBundle>;
}

export const MAX_FOREIGN_TRUST_DOMAINS = 16;

/** JSON. */
export function writeTrustDocument(trusted: TrustDocument): object {
  const foreign = Array.from(trusted.foreign, ([name, bundle]) => [name, writeSpiffeBundle(bundle)]);
  return {
    ...writeSpiffeBundle(trusted),
    tulle_denied: writeDenyList(trusted.denied),
    tulle_foreign: Object.fromEntries(foreign),
  };
}

/** Throws an error that says what is wrong. */
export function readTrustDocument(document: unknown, trustDomain: string): TrustDocument {
  const bundle = readSpiffeBundle(document, trustDomain);
  const parsed = extension.safeParse(document);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Error(`the trust bundle: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { tulle_denied: denied, tulle_foreign: foreign } = parsed.data;
  const bundles = Object.entries(foreign).map(
    ([name, foreignBundle]) => [name, readSpiffeBundle(foreignBundle, name)] as const,
  );
  if (bundles.length > MAX_FOREIGN_TRUST_DOMAINS)
    throw new Error(`the trust bundle: more than ${MAX_FOREIGN_TRUST_DOMAINS} foreign trust domains`);
  return {
    ...bundle,
    denied: denied === undefined ? NOBODY_DENIED : readDenyList(denied),
    foreign: new Map(bundles),
  };
}

const extension = z.object({
  tulle_denied: denyListDocument.optional(),
  tulle_foreign: z.record(z.string(), z.unknown()).default({}),
});
