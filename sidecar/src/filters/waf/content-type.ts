/**
 * What the body of a request says it is (RFC 9110 section 8.3), as far as it is inspected.
 *
 * Invariant: a type that two recipients could read in two ways is `malformed`: fields or parameters that repeat, and what follows no grammar.
 */
import { fieldId } from '../../protocol/field-names.ts';
import type { RequestHead } from '../../protocol/head.ts';

export type BodyKind = 'json' | 'json-lines' | 'form' | 'multipart' | 'text' | 'unknown' | 'malformed';

export interface ContentType {
  readonly kind: BodyKind;
  /** Of `multipart`. */
  readonly boundary: string;
  /** Lower case; empty when nothing is said. */
  readonly charset: string;
}

const CONTENT_TYPE = fieldId('content-type');
const UNSAID: ContentType = { kind: 'text', boundary: '', charset: '' };
const MALFORMED: ContentType = { kind: 'malformed', boundary: '', charset: '' };

const ESSENCE = /^[ \t]*([!#$%&'*+.^_`|~\w-]+\/[!#$%&'*+.^_`|~\w-]+)[ \t]*/y;
const PARAMETER = /;[ \t]*(?:([!#$%&'*+.^_`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;",]*))[ \t]*)?/y;

const KINDS: ReadonlyMap<string, BodyKind> = new Map([
  ['application/json', 'json'],
  ['text/json', 'json'],
  ['application/x-json', 'json'],
  ['application/csp-report', 'json'],
  ['application/x-ndjson', 'json-lines'],
  ['application/ndjson', 'json-lines'],
  ['application/jsonl', 'json-lines'],
  ['application/x-www-form-urlencoded', 'form'],
  ['application/xml', 'text'],
  ['application/graphql', 'text'],
  ['application/javascript', 'text'],
  ['application/x-yaml', 'text'],
  ['application/yaml', 'text'],
]);

export function readContentType(request: RequestHead): ContentType {
  const first = request.firstRow[CONTENT_TYPE] as number;
  if (first === -1) return UNSAID;
  for (let row = first + 1; row < request.rows; row++) {
    if (request.ids[row] === CONTENT_TYPE && request.dropped[row] === 0) return MALFORMED;
  }
  return parseContentType(
    request.bytes.toString('latin1', request.valueStart(first), request.valueEnd(first)),
  );
}

export function parseContentType(text: string): ContentType {
  ESSENCE.lastIndex = 0;
  const essence = ESSENCE.exec(text)?.[1]?.toLowerCase();
  if (essence === undefined) return text.trim() === '' ? UNSAID : MALFORMED;
  const parameters = readParameters(text, ESSENCE.lastIndex);
  if (parameters === null) return MALFORMED;
  const kind = kindOf(essence);
  const boundary = parameters.get('boundary') ?? '';
  if (kind === 'multipart' && boundary === '') return MALFORMED;
  return { kind, boundary, charset: (parameters.get('charset') ?? '').toLowerCase() };
}

function kindOf(essence: string): BodyKind {
  const known = KINDS.get(essence);
  if (known !== undefined) return known;
  if (essence.endsWith('+json')) return 'json';
  if (essence.startsWith('multipart/')) return 'multipart';
  return essence.startsWith('text/') || essence.endsWith('+xml') ? 'text' : 'unknown';
}

/** By name in lower case; null when they can't be read or one repeats. */
function readParameters(text: string, from: number): Map<string, string> | null {
  const parameters = new Map<string, string>();
  let at = from;
  while (at < text.length) {
    PARAMETER.lastIndex = at;
    const match = PARAMETER.exec(text);
    if (match === null) return null;
    at = PARAMETER.lastIndex;
    const [, name, quoted, plain = ''] = match;
    if (name === undefined) continue;
    const key = name.toLowerCase();
    if (parameters.has(key)) return null;
    parameters.set(key, quoted === undefined ? plain : quoted.replace(/\\(.)/g, '$1'));
  }
  return parameters;
}
