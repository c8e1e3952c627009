/**
 * What the authority says is to be trusted: the SPIFFE bundle of the trust domain, and who is denied all the same.
 *
 * Invariant: a document counts as a whole.
 */
import { z } from 'zod';
import { type DenyList, denyListDocument, NOBODY_DENIED, readDenyList, writeDenyList } from './deny-list.ts';
import { readSpiffeBundle, type SpiffeBundle, writeSpiffeBundle } from './spiffe-bundle.ts';

export interface TrustDocument extends SpiffeBundle {
  readonly denied: DenyList;
}

/** JSON. */
export function writeTrustDocument(trusted: TrustDocument): object {
  return { ...writeSpiffeBundle(trusted), tulle_denied: writeDenyList(trusted.denied) };
}

/** Throws an error that says what is wrong. */
export function readTrustDocument(document: unknown, trustDomain: string): TrustDocument {
  const bundle = readSpiffeBundle(document, trustDomain);
  const parsed = extension.safeParse(document);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Error(`the trust bundle: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { tulle_denied: denied } = parsed.data;
  return { ...bundle, denied: denied === undefined ? NOBODY_DENIED : readDenyList(denied) };
}

const extension = z.object({ tulle_denied: denyListDocument.optional() });
