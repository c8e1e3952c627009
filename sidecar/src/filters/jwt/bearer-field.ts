/**
 * Finds the token in the head of a request.
 *
 * Invariant: a field that comes twice has no token that all recipients agree on, so it is refused.
 */
import { LIMITS } from '../../core/limits.ts';
import { findFieldId, OTHER_FIELD } from '../../protocol/field-names.ts';
import type { RequestHead } from '../../protocol/head.ts';
import { REFUSALS, type TokenRefusal } from './refusal.ts';

const SCHEME = Buffer.from('bearer');
const SPACE = 0x20;
const TAB = 0x09;

export class BearerField {
  /** Of the token that was found last. */
  start = 0;
  end = 0;
  /** Why what was found last is no token to look at. */
  refusal: TokenRefusal | null = null;
  private readonly name: Buffer;
  private readonly id: number;
  /** `authorization` has other schemes, too. */
  private readonly hasScheme: boolean;

  constructor(name: string) {
    this.name = Buffer.from(name);
    this.id = findFieldId(this.name, 0, this.name.length);
    this.hasScheme = name === 'authorization';
  }

  /** False when the request has no token. */
  find(request: RequestHead): boolean {
    const row = this.nextRow(request, 0);
    if (row === -1) return false;
    this.start = request.valueStart(row);
    this.end = request.valueEnd(row);
    const isBearer = !this.hasScheme || this.skipScheme(request.bytes);
    const repeated = this.nextRow(request, row + 1) !== -1;
    if (!isBearer && !repeated) return false;
    this.refusal = repeated ? REFUSALS.repeated : this.judgeSize();
    return true;
  }

  private judgeSize(): TokenRefusal | null {
    const size = this.end - this.start;
    if (size === 0) return REFUSALS.malformed;
    return size > LIMITS.jwtBytes ? REFUSALS.too_large : null;
  }

  private skipScheme(bytes: Buffer): boolean {
    let at = this.start;
    for (let i = 0; i < SCHEME.length; i++, at++) {
      if (at >= this.end || ((bytes[at] as number) | 0x20) !== SCHEME[i]) return false;
    }
    if (at < this.end && bytes[at] !== SPACE && bytes[at] !== TAB) return false;
    while (at < this.end && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
    this.start = at;
    return true;
  }

  private nextRow(request: RequestHead, from: number): number {
    if (this.id !== OTHER_FIELD && !request.has(this.id)) return -1;
    for (let row = from; row < request.rows; row++) {
      if (request.ids[row] !== this.id || request.dropped[row] === 1) continue;
      if (this.id !== OTHER_FIELD || request.isNamed(row, this.name)) return row;
    }
    return -1;
  }
}
