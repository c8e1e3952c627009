/**
 * Fields by which a request asks some frameworks to take it for another one: another path or another method than policies saw.
 */
import { OTHER_FIELD } from '../../protocol/field-names.ts';
import type { RequestHead } from '../../protocol/head.ts';

const NAMES = [
  'x-original-url',
  'x-rewrite-url',
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
].map((name) => Buffer.from(name));

export function overridesTarget(request: RequestHead): boolean {
  for (let row = 0; row < request.rows; row++) {
    if (request.ids[row] !== OTHER_FIELD || request.dropped[row] === 1) continue;
    for (let i = 0; i < NAMES.length; i++) if (request.isNamed(row, NAMES[i] as Buffer)) return true;
  }
  return false;
}
