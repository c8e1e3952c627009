/**
 * How the encoder treats fields by name. Only a name whose values are known to vary, or to be secret, is told here; for any other it
 * finds out by itself whether values repeat.
 *
 * Invariants: a known name has a number, its static-table index when it has one; 0 is any other name.
 */
import { findFieldId, OTHER_FIELD } from '../../field-names.ts';
import { STATIC_FIELDS } from './static-table.ts';

/** Values may repeat: kept in the dynamic table once a value was seen twice. */
export const ADAPTIVE = 0;
/** Every message has a value of its own: never kept, never looked up. */
export const VARYING = 1;
/** Short secrets that an attacker could guess by watching sizes (RFC 7541 section 7.1.3): never kept, by nobody on the way. */
export const SECRET = 2;

/** Names without a static-table entry. */
const VARYING_NAMES = [
  'x-request-id',
  'traceparent',
  'tracestate',
  'baggage',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-correlation-id',
  'grpc-timeout',
  'grpc-message',
  'idempotency-key',
];
const SECRET_NAMES = ['x-api-key'];
const ADAPTIVE_NAMES = [
  ':protocol',
  'forwarded',
  'grpc-accept-encoding',
  'grpc-encoding',
  'grpc-status',
  'te',
  'x-b3-sampled',
  'x-forwarded-client-cert',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
];
const VARYING_STATIC_NAMES = [
  'age',
  'content-length',
  'content-range',
  'date',
  'etag',
  'expires',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'last-modified',
  'location',
  'range',
];
const SECRET_STATIC_NAMES = ['authorization', 'cookie', 'proxy-authorization', 'set-cookie'];

/** By number; the place of a static index that repeats a name stays unused. */
const names = [
  '',
  ...STATIC_FIELDS.map(([name], i) => (STATIC_FIELDS[i - 1]?.[0] === name ? '' : name)),
  ...VARYING_NAMES,
  ...SECRET_NAMES,
  ...ADAPTIVE_NAMES,
];

export const KNOWN_NAMES: readonly Buffer[] = names.map((name) => Buffer.from(name));
export const AUTHORITY_NAME = names.indexOf(':authority');
export const METHOD_NAME = names.indexOf(':method');
export const PATH_NAME = names.indexOf(':path');
export const STATUS_NAME = names.indexOf(':status');
export const PROTOCOL_NAME = names.indexOf(':protocol');

/** ADAPTIVE, VARYING or SECRET, by number. */
export const NATURE = new Uint8Array(KNOWN_NAMES.length);
for (const name of [...VARYING_NAMES, ...VARYING_STATIC_NAMES]) NATURE[numberOf(name)] = VARYING;
for (const name of [...SECRET_NAMES, ...SECRET_STATIC_NAMES]) NATURE[numberOf(name)] = SECRET;

/** Folds capitals. */
export const LOWER = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) LOWER[byte] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;

const SLOTS = 512;
const numberBySlot = new Uint8Array(SLOTS);
const numberById = new Uint8Array(256);
for (let number = 1; number < KNOWN_NAMES.length; number++) {
  const name = KNOWN_NAMES[number] as Buffer;
  if (name.length === 0) continue;
  const id = findFieldId(name, 0, name.length);
  if (id !== OTHER_FIELD) numberById[id] = number;
  let slot = slotOf(name, 0, name.length);
  while (numberBySlot[slot] !== 0) slot = (slot + 1) & (SLOTS - 1);
  numberBySlot[slot] = number;
}

/** Number of the name in `bytes[start, end)`, in whatever case it is written; its field id, when it has one, spares the search. */
export function findKnownName(bytes: Uint8Array, start: number, end: number, id: number): number {
  const byId = numberById[id] as number;
  if (byId !== 0) return byId;
  for (let slot = slotOf(bytes, start, end); ; slot = (slot + 1) & (SLOTS - 1)) {
    const number = numberBySlot[slot] as number;
    if (number === 0 || isName(KNOWN_NAMES[number] as Buffer, bytes, start, end)) return number;
  }
}

function numberOf(name: string): number {
  const number = names.indexOf(name);
  if (number === -1) throw new Error(`known-names: '${name}' is not in the static table`);
  return number;
}

function isName(name: Buffer, bytes: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) if (LOWER[bytes[start + i] as number] !== name[i]) return false;
  return true;
}

function slotOf(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const first = (bytes[start] as number) | 0x20;
  const middle = (bytes[start + (length >> 1)] as number) | 0x20;
  const last = (bytes[end - 1] as number) | 0x20;
  return (length * 31 + first * 7 + middle * 13 + last * 5) & (SLOTS - 1);
}
