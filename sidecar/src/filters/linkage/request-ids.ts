/**
 * The request ids that traces came in with, for calls in the same trace that carry none.
 *
 * Invariants: memory is fixed, one place a trace. Two ids in one trace are no id: whose call it is can't be told then.
 */
import type { Exchange } from '../../core/exchange.ts';
import { copyBytes } from '../../transport/output.ts';

/** Longer ones are not kept; a UUID has 36. */
const ID_BYTES = 64;
const NONE = 0;
const SEVERAL = ID_BYTES + 1;
const PREFIX = Buffer.from('x-request-id: ');

export class RequestIds {
  private readonly bytes: Buffer;
  private readonly lengths: Uint8Array;

  constructor(capacity: number) {
    this.bytes = Buffer.alloc(capacity * ID_BYTES);
    this.lengths = new Uint8Array(capacity);
  }

  /** The id of a request whose trace lies in `place`; `isFirst` unless others of the trace came before. */
  keep(place: number, isFirst: boolean, { request, requestIdStart, requestIdEnd }: Exchange): void {
    const { bytes, lengths } = this;
    const length = requestIdEnd - requestIdStart;
    const at = place * ID_BYTES;
    if (!isFirst) {
      const isSame =
        length === lengths[place] &&
        bytes.compare(request.bytes, requestIdStart, requestIdEnd, at, at + length) === 0;
      if (!isSame) lengths[place] = SEVERAL;
      return;
    }
    lengths[place] = length > ID_BYTES ? NONE : length;
    if (length <= ID_BYTES) copyBytes(request.bytes, requestIdStart, requestIdEnd, bytes, at);
  }

  /** Gives the request the id; false when there is none to give. */
  addTo(exchange: Exchange, place: number): boolean {
    const length = this.lengths[place] as number;
    if (length === NONE || length === SEVERAL) return false;
    const at = place * ID_BYTES;
    exchange.requestIdStart = exchange.request.addValue(PREFIX, this.bytes, at, at + length);
    exchange.requestIdEnd = exchange.requestIdStart + length;
    return true;
  }
}
