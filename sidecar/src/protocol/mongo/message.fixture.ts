// Writes MongoDB wire messages for tests: as much BSON as they need.

/** Values are written as: strings, numbers (int32 when whole, else double), booleans, null, documents, arrays, or bytes of a raw element. */
export type Value = string | number | boolean | null | Raw | Document | readonly Value[];
export interface Document {
  readonly [key: string]: Value;
}

/** An element's type and its value as it lies in the message. */
export class Raw {
  readonly type: number;
  readonly bytes: Buffer;

  constructor(type: number, bytes: readonly number[] | Buffer) {
    this.type = type;
    this.bytes = Buffer.from(bytes);
  }
}

export function bson(document: Document | readonly Value[]): Buffer {
  const body = Buffer.concat(Object.entries(document).map(([key, value]) => element(key, value)));
  return Buffer.concat([int32(body.length + 5), body, Buffer.from([0])]);
}

function element(key: string, value: Value): Buffer {
  const { type, bytes } = raw(value);
  return Buffer.concat([Buffer.from([type]), Buffer.from(`${key}\0`), bytes]);
}

function raw(value: Value): Raw {
  if (value instanceof Raw) return value;
  if (value === null) return new Raw(0x0a, []);
  if (typeof value === 'boolean') return new Raw(0x08, [value ? 1 : 0]);
  if (typeof value === 'string') return new Raw(0x02, sized(`${value}\0`));
  if (typeof value === 'number') {
    if (Number.isInteger(value)) return new Raw(0x10, int32(value));
    const double = Buffer.alloc(8);
    double.writeDoubleLE(value);
    return new Raw(0x01, double);
  }
  return new Raw(Array.isArray(value) ? 0x04 : 0x03, bson(value as Document));
}

export function sized(text: string): Buffer {
  return Buffer.concat([int32(Buffer.byteLength(text)), Buffer.from(text)]);
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value | 0);
  return bytes;
}

export function message(opCode: number, requestId: number, responseTo: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([int32(16 + body.length), int32(requestId), int32(responseTo), int32(opCode), body]);
}

/** OP_MSG with one body. */
export function request(requestId: number, document: Document, flags = 0): Buffer {
  return message(2013, requestId, 0, int32(flags), Buffer.from([0]), bson(document));
}

export function reply(requestId: number, responseTo: number, document: Document, flags = 0): Buffer {
  return message(2013, requestId, responseTo, int32(flags), Buffer.from([0]), bson(document));
}

/** A section of documents, as inserts send them. */
export function sequence(name: string, ...documents: Document[]): Buffer {
  const body = Buffer.concat([Buffer.from(`${name}\0`), ...documents.map(bson)]);
  return Buffer.concat([Buffer.from([1]), int32(body.length + 4), body]);
}
