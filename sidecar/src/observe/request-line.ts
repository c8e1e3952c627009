/**
 * The request line as telemetry shows it: a bounded set of methods, and the path without its query.
 *
 * Invariant: a head that was never complete has neither, because its offsets lead nowhere.
 */
import type { RequestHead } from '../protocol/head.ts';

/** OpenTelemetry's HTTP conventions: known methods; anything else is `_OTHER`. */
export const METHODS = [
  '_OTHER',
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
  'QUERY',
] as const;

const METHOD_OTHER = 0;
const METHOD_BYTES = METHODS.map((method) => Buffer.from(method));
const QUESTION_MARK = 0x3f;

/** Index in METHODS. Methods are case-sensitive. */
export function methodIndex(request: RequestHead): number {
  if (!request.adopted) return METHOD_OTHER;
  const { bytes, start } = request;
  const length = request.methodEnd - start;
  for (let index = 1; index < METHOD_BYTES.length; index++) {
    const method = METHOD_BYTES[index] as Buffer;
    if (method.length !== length) continue;
    let at = 0;
    while (at < length && bytes[start + at] === method[at]) at++;
    if (at === length) return index;
  }
  return METHOD_OTHER;
}

/**
 * Where the path ends, query left out: queries carry tokens and personal data, and logs and traces are read by more people than
 * those.
 */
export function pathEnd(request: RequestHead): number {
  if (!request.adopted) return request.pathStart;
  const { queryStart } = request;
  return request.bytes[queryStart - 1] === QUESTION_MARK ? queryStart - 1 : queryStart;
}
