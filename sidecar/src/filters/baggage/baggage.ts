/**
 * What of a W3C baggage passes: inside of the mesh all that is well-formed and within the limits of the specification; over its border, from
 * strangers and to endpoints that need not prove who they are, the members whose keys are allowed.
 *
 * Invariants: members pass whole and in their order. A list with one that is malformed passes not at all, as it has no reading that all
 * recipients share. What passes whole is forwarded as it came.
 */
import type { Exchange } from '../../core/exchange.ts';
import { CONTINUE, type Filter, type Verdict } from '../../core/filter.ts';
import { LIMITS } from '../../core/limits.ts';
import { fieldId } from '../../protocol/field-names.ts';
import type { RequestHead } from '../../protocol/head.ts';
import { memberEndOf, skipSpace, trimSpace } from '../../protocol/list.ts';
import { copyBytes } from '../../transport/output.ts';
import { keyEndOf } from './members.ts';
import type { BaggageSeries } from './metrics.ts';

/** Null where every key may pass. */
type AllowedKeys = readonly Buffer[] | null;

const BAGGAGE = fieldId('baggage');
const PREFIX = Buffer.from('baggage: ');
const COMMA = 0x2c;

/** Shared: it is filled and copied within one call. */
const passed = Buffer.alloc(LIMITS.baggageBytes);

/** From whoever calls the own service. */
export class InboundBaggageFilter implements Filter {
  readonly name = 'baggage';
  private readonly allowed: AllowedKeys;
  private readonly series: BaggageSeries;

  constructor(trustsPeer: boolean, fromStrangers: readonly string[], series: BaggageSeries) {
    this.allowed = trustsPeer ? null : fromStrangers.map((key) => Buffer.from(key));
    this.series = series;
  }

  onRequestHead({ request }: Exchange): Verdict {
    if (request.has(BAGGAGE)) limitBaggage(request, this.allowed, this.series);
    return CONTINUE;
  }
}

/** To whomever the own service calls: known when the backend is. */
export class OutboundBaggageFilter implements Filter {
  readonly name = 'baggage';
  private readonly upstreamIdentity: string;
  private readonly allowed: readonly Buffer[];
  private readonly series: BaggageSeries;

  /** `upstreamIdentity` is empty where the upstream need not prove any. */
  constructor(upstreamIdentity: string, toStrangers: readonly string[], series: BaggageSeries) {
    this.upstreamIdentity = upstreamIdentity;
    this.allowed = toStrangers.map((key) => Buffer.from(key));
    this.series = series;
  }

  onPickEndpoint({ request, backend }: Exchange): Verdict {
    if (!request.has(BAGGAGE)) return CONTINUE;
    const identity = backend === null ? this.upstreamIdentity : backend.identity;
    limitBaggage(request, identity === '' ? this.allowed : null, this.series);
    return CONTINUE;
  }
}

function limitBaggage(request: RequestHead, allowed: AllowedKeys, series: BaggageSeries): void {
  const { bytes, ids, rows } = request;
  let members = 0;
  let length = 0;
  let withheld = false;
  let tooLong = false;
  for (let row = request.firstRow[BAGGAGE] as number; row < rows && !tooLong; row++) {
    if (ids[row] !== BAGGAGE) continue;
    const end = request.valueEnd(row);
    for (let at = request.valueStart(row); at < end; at++) {
      const memberEnd = memberEndOf(bytes, at, end);
      const from = skipSpace(bytes, at, memberEnd);
      const to = trimSpace(bytes, from, memberEnd);
      at = memberEnd;
      if (from === to) continue;
      const keyEnd = keyEndOf(bytes, from, to);
      if (keyEnd === -1) {
        request.drop(BAGGAGE);
        series.malformed++;
        return;
      }
      if (allowed !== null && !includes(allowed, bytes, from, keyEnd)) {
        withheld = true;
        continue;
      }
      const start = length === 0 ? 0 : length + 1;
      if (members === LIMITS.baggageMembers || start + to - from > LIMITS.baggageBytes) {
        tooLong = true;
        break;
      }
      members++;
      if (start > 0) passed[length] = COMMA;
      copyBytes(bytes, from, to, passed, start);
      length = start + to - from;
    }
  }
  if (withheld) series.withheld++;
  if (tooLong) series.tooLong++;
  if (!withheld && !tooLong) return;
  request.drop(BAGGAGE);
  if (members > 0) request.addValue(PREFIX, passed, 0, length);
}

function includes(keys: readonly Buffer[], bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = 0; i < keys.length; i++) if (equals(keys[i] as Buffer, bytes, start, end)) return true;
  return false;
}

/** Keys are told apart by case. */
function equals(key: Buffer, bytes: Uint8Array, start: number, end: number): boolean {
  if (key.length !== end - start) return false;
  for (let i = 0; i < key.length; i++) if (key[i] !== bytes[start + i]) return false;
  return true;
}
