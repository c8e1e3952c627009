/**
 * A path in place of the one that was asked for; the query stays.
 */
import { pathEnd } from '../observe/request-line.ts';
import type { RequestHead } from '../protocol/head.ts';
import type { PathChange } from './route-config.ts';

export class NewPath {
  /** How much of the path is replaced; -1 for all of it. */
  private readonly replaced: number;
  private readonly value: Buffer;

  constructor(change: PathChange) {
    this.replaced = change.type === 'ReplaceFullPath' ? -1 : change.prefix.length;
    // A slash at the end of a prefix is none of its own: the rest begins with one.
    const value = change.type === 'ReplaceFullPath' ? change.value : change.value.replace(/\/$/, '');
    this.value = Buffer.from(value);
  }

  /** Path and query. */
  of(request: RequestHead): Buffer {
    const { bytes, pathStart } = request;
    // The whole server (`OPTIONS *`) is no path.
    if (bytes[pathStart] !== SLASH) return bytes.subarray(pathStart, request.pathEnd);
    const end = pathEnd(request);
    const rest = bytes.subarray(this.replaced === -1 ? end : pathStart + this.replaced, end);
    const path = this.value.length + rest.length === 0 ? ROOT : this.value;
    return Buffer.concat([path, rest, bytes.subarray(end, request.pathEnd)]);
  }
}

const SLASH = 0x2f;
const ROOT = Buffer.from('/');
