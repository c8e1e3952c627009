/**
 * One match of a rule in the form that is compared with a request.
 *
 * Invariants: what costs least is asked first. Paths are compared as they were sent: nothing is unescaped and no dot segment resolved, as
 * the service will see the same bytes.
 */
import { pathEnd } from '../observe/request-line.ts';
import type { RequestHead } from '../protocol/head.ts';
import { FieldMatches } from './field-match.ts';
import { QueryMatcher } from './query-match.ts';
import type { PathMatch, RequestMatch } from './route-config.ts';
import { createValueMatcher, ExactValue, type ValueMatcher } from './value-match.ts';

const SLASH = 0x2f;

export class RequestMatcher {
  /** Null for any path. */
  private readonly path: ValueMatcher | null;
  private readonly method: ExactValue | null;
  private readonly fields: FieldMatches;
  private readonly query: readonly QueryMatcher[];

  constructor({ path, method, headers, query }: RequestMatch) {
    this.path = createPathMatcher(path);
    this.method = method === null ? null : new ExactValue(Buffer.from(method));
    this.fields = new FieldMatches(headers);
    this.query = query.map((match) => new QueryMatcher(match));
  }

  matches(request: RequestHead): boolean {
    const { bytes, start, methodEnd, pathStart } = request;
    if (this.path !== null && !this.path.matches(bytes, pathStart, pathEnd(request))) return false;
    if (this.method !== null && !this.method.matches(bytes, start, methodEnd)) return false;
    if (!this.fields.matches(request)) return false;
    for (let i = 0; i < this.query.length; i++) {
      if (!(this.query[i] as QueryMatcher).matches(request)) return false;
    }
    return true;
  }
}

function createPathMatcher(match: PathMatch): ValueMatcher | null {
  if (match.type !== 'PathPrefix') return createValueMatcher(match);
  return match.value === '' ? null : new PathPrefix(Buffer.from(match.value));
}

class PathPrefix implements ValueMatcher {
  private readonly prefix: Buffer;

  constructor(prefix: Buffer) {
    this.prefix = prefix;
  }

  matches(bytes: Buffer, start: number, end: number): boolean {
    const { prefix } = this;
    const prefixEnd = start + prefix.length;
    if (prefixEnd > end || (prefixEnd < end && bytes[prefixEnd] !== SLASH)) return false;
    for (let i = 0; i < prefix.length; i++) if (bytes[start + i] !== prefix[i]) return false;
    return true;
  }
}
