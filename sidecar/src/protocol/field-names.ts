/**
 * Field names that the data plane cares about, each with a small id, found by one hash and one comparison.
 *
 * Invariants: ids are dense, 0 means "any other field"; no two known names share a hash slot (checked at start).
 */
const names = [
  '',
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'upgrade',
  'expect',
  'te',
  'trailer',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'proxy-authenticate',
  'http2-settings',
  'authorization',
  'content-type',
  'user-agent',
  'date',
  'forwarded',
  'x-request-id',
  'traceparent',
  'tracestate',
  'b3',
  'baggage',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-client-cert',
  'cookie',
  'sec-websocket-key',
  'sec-websocket-accept',
  'grpc-timeout',
  'grpc-status',
  'x-tulle-keep',
] as const;

export type FieldName = Exclude<(typeof names)[number], ''>;

/** Number of ids, the id 0 included. */
export const FIELD_IDS = names.length;
/** Id of a field that has no id of its own. */
export const OTHER_FIELD = 0;

/** Id of a known name; for module-level constants, not for the request path. */
export function fieldId(name: FieldName): number {
  return names.indexOf(name);
}

const SLOTS = 512;
const idBySlot = new Uint8Array(SLOTS);
const encodedNames = names.map((name) => Buffer.from(name, 'latin1'));

for (let id = 1; id < names.length; id++) {
  const name = encodedNames[id] as Buffer;
  const slot = slotOf(name, 0, name.length);
  if (idBySlot[slot] !== 0) {
    throw new Error(
      `field-names: '${names[id]}' and '${names[idBySlot[slot] as number]}' share slot ${slot}`,
    );
  }
  idBySlot[slot] = id;
}

/** Id of the name in `bytes[start, end)`, in whatever case it is written. The range must not be empty. */
export function findFieldId(bytes: Uint8Array, start: number, end: number): number {
  const id = idBySlot[slotOf(bytes, start, end)] as number;
  if (id === OTHER_FIELD) return OTHER_FIELD;
  const name = encodedNames[id] as Buffer;
  if (name.length !== end - start) return OTHER_FIELD;
  for (let i = 0; i < name.length; i++) {
    const byte = bytes[start + i] as number;
    if ((byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte) !== name[i]) return OTHER_FIELD;
  }
  return id;
}

/** Length, two letters and the last letter tell all known names apart; case is folded by `| 0x20`. */
function slotOf(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const first = (bytes[start] as number) | 0x20;
  const middle = (bytes[start + (length >> 1)] as number) | 0x20;
  const last = (bytes[end - 1] as number) | 0x20;
  return (length * 31 + first * 7 + middle * 13 + last * 5) & (SLOTS - 1);
}
