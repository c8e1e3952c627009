/**
 * The SPIFFE id among the names of a certificate, read from the text form that Node gives to a subject alternative name
 * extension: `type:value` items joined by `, `, a value with special characters as a JSON string.
 *
 * Invariants: exactly one URI name, and that one a SPIFFE id with a path, or null. The text is read as a whole from its
 * start, so that no name can be smuggled inside the value of another one; text that does not follow the form is null.
 */
import { parseSpiffeId } from './spiffe-id.ts';

const ITEM = /([A-Za-z][A-Za-z0-9 ]*):("(?:[^"\\]|\\.)*"|[^,"\\]*)(?:, |$)/y;

export function spiffeIdOf(subjectAltName: string | undefined): string | null {
  if (subjectAltName === undefined || subjectAltName.endsWith(', ')) return null;
  let uri: string | null = null;
  let position = 0;
  while (position < subjectAltName.length) {
    ITEM.lastIndex = position;
    const item = ITEM.exec(subjectAltName);
    if (item === null) return null;
    position = ITEM.lastIndex;
    if (item[1] !== 'URI') continue;
    if (uri !== null) return null;
    uri = item[2] ?? '';
  }
  // A SPIFFE id has no character that would be quoted, hence a quoted value fails here without being decoded.
  return uri === null || typeof parseSpiffeId(uri) === 'string' ? null : uri;
}

export function trustDomainOf(spiffeId: string): string {
  return spiffeId.split('/', 3)[2] ?? '';
}
