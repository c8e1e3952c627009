// Writes Kafka requests and responses for tests, old and flexible.

export class Writer {
  private readonly parts: Buffer[] = [];
  readonly flexible: boolean;

  constructor(flexible = false) {
    this.flexible = flexible;
  }

  i8(value: number): this {
    return this.bytes(Buffer.from([value & 0xff]));
  }

  i16(value: number): this {
    const bytes = Buffer.alloc(2);
    bytes.writeInt16BE(value);
    return this.bytes(bytes);
  }

  i32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return this.bytes(bytes);
  }

  i64(value: number): this {
    return this.i32(Math.floor(value / 0x1_0000_0000)).i32(value | 0);
  }

  uvarint(value: number): this {
    const bytes: number[] = [];
    for (let rest = value; ; rest = Math.floor(rest / 128)) {
      if (rest < 128) return this.bytes(Buffer.from([...bytes, rest]));
      bytes.push((rest % 128) | 0x80);
    }
  }

  bytes(bytes: Buffer): this {
    this.parts.push(bytes);
    return this;
  }

  /** A length as strings (2 bytes) and arrays (4 bytes) have it, or compact. */
  string(text: string | null): this {
    const length = text === null ? -1 : Buffer.byteLength(text);
    if (this.flexible) this.uvarint(length + 1);
    else this.i16(length);
    return this.bytes(Buffer.from(text ?? ''));
  }

  count(count: number): this {
    return this.flexible ? this.uvarint(count + 1) : this.i32(count);
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.count(items.length);
    items.forEach(write);
    return this;
  }

  blob(bytes: Buffer): this {
    return this.count(bytes.length).bytes(bytes);
  }

  /** Tagged fields: none, or one that readers have to skip. */
  tags(filled = false): this {
    if (!this.flexible) return this;
    return filled ? this.uvarint(1).uvarint(7).uvarint(3).bytes(Buffer.from('abc')) : this.uvarint(0);
  }

  build(): Buffer {
    return Buffer.concat(this.parts);
  }
}

function frame(body: Buffer): Buffer {
  return Buffer.concat([new Writer().i32(body.length).build(), body]);
}

/** The first version of each request that is flexible, as far as these tests go. */
const FLEXIBLE: Readonly<Record<number, number>> = { 0: 9, 1: 12, 3: 9, 12: 4 };

function writerFor(key: number, version: number): Writer {
  return new Writer(version >= (FLEXIBLE[key] ?? 99));
}

export function request(
  key: number,
  version: number,
  correlationId: number,
  write: (writer: Writer) => void = () => {},
): Buffer {
  const writer = writerFor(key, version);
  const clientId = Buffer.from('client');
  writer.i16(key).i16(version).i32(correlationId).i16(clientId.length).bytes(clientId).tags(true);
  write(writer);
  return frame(writer.build());
}

export function response(
  key: number,
  version: number,
  correlationId: number,
  write: (writer: Writer) => void = () => {},
): Buffer {
  const writer = writerFor(key, version);
  writer.i32(correlationId).tags(true);
  write(writer);
  return frame(writer.build());
}

/** Its name, or from version 13 of Produce and Fetch on its id. */
export type Topic = string | Buffer;

function writeTopic(writer: Writer, topic: Topic): void {
  if (typeof topic === 'string') writer.string(topic);
  else writer.bytes(topic);
}

export function produce(version: number, correlationId: number, topics: readonly Topic[], acks = -1): Buffer {
  return request(0, version, correlationId, (writer) => {
    if (version >= 3) writer.string(null);
    writer.i16(acks).i32(30_000);
    writer.array(topics, (topic) => {
      writeTopic(writer, topic);
      writer.array([0], (partition) => {
        writer.i32(partition).blob(Buffer.alloc(100, 'secret')).tags();
      });
      writer.tags();
    });
    writer.tags();
  });
}

export function produced(
  version: number,
  correlationId: number,
  topic: Topic,
  errors: readonly number[],
): Buffer {
  return response(0, version, correlationId, (writer) => {
    writer.array([topic], () => {
      writeTopic(writer, topic);
      writer.array(errors, (error) => {
        writer.i32(0).i16(error).i64(42);
        if (version >= 2) writer.i64(-1);
        if (version >= 5) writer.i64(0);
        if (version >= 8) {
          writer.array([3], (index) => {
            writer.i32(index).string('why').tags();
          });
          writer.string(error === 0 ? null : 'message');
        }
        writer.tags();
      });
      writer.tags();
    });
    writer.i32(0).tags();
  });
}

export interface FetchOptions {
  readonly maxWaitMs?: number;
  readonly epoch?: number;
}

export function fetch(
  version: number,
  correlationId: number,
  topics: readonly Topic[],
  { maxWaitMs = 500, epoch = 0 }: FetchOptions = {},
): Buffer {
  return request(1, version, correlationId, (writer) => {
    if (version < 15) writer.i32(-1);
    writer.i32(maxWaitMs).i32(1);
    if (version >= 3) writer.i32(1_048_576);
    if (version >= 4) writer.i8(0);
    if (version >= 7) writer.i32(7).i32(epoch);
    writer.array(topics, (topic) => {
      writeTopic(writer, topic);
      writer.array([0], () => {
        writer.i32(0).i64(1).tags();
      });
      writer.tags();
    });
    writer.tags();
  });
}

export interface Fetched {
  readonly error?: number;
  readonly partitionErrors?: readonly number[];
}

export function fetched(
  version: number,
  correlationId: number,
  topic: Topic,
  records: Buffer,
  { error = 0, partitionErrors = [0] }: Fetched = {},
): Buffer {
  return response(1, version, correlationId, (writer) => {
    if (version >= 1) writer.i32(0);
    if (version >= 7) writer.i16(error).i32(7);
    writer.array([topic], () => {
      writeTopic(writer, topic);
      writer.array(partitionErrors, (each) => {
        writer.i32(0).i16(each).i64(9);
        if (version >= 4) writer.i64(9);
        if (version >= 5) writer.i64(0);
        if (version >= 4) {
          writer.array([1], () => {
            writer.i64(1).i64(2).tags();
          });
        }
        if (version >= 11) writer.i32(-1);
        writer.blob(records).tags();
      });
      writer.tags();
    });
    writer.tags();
  });
}

/** What brokers say of topics; `id` from version 10 on. */
export function metadata(
  version: number,
  correlationId: number,
  topics: readonly { name: string | null; id: Buffer; error?: number }[],
): Buffer {
  return response(3, version, correlationId, (writer) => {
    if (version >= 3) writer.i32(0);
    writer.array([1, 2], (broker) => {
      writer.i32(broker).string('broker.test').i32(9092);
      if (version >= 1) writer.string(null);
      writer.tags();
    });
    if (version >= 2) writer.string('cluster');
    if (version >= 1) writer.i32(1);
    writer.array(topics, ({ name, id, error = 0 }) => {
      writer.i16(error).string(name);
      if (version >= 10) writer.bytes(id);
      if (version >= 1) writer.i8(0);
      writer.array([0, 1], (partition) => {
        writer.i16(0).i32(partition).i32(1);
        if (version >= 7) writer.i32(0);
        writer.array([1, 2], (replica) => {
          writer.i32(replica);
        });
        writer.array([1], (replica) => {
          writer.i32(replica);
        });
        if (version >= 5) writer.array([], () => {});
        writer.tags();
      });
      if (version >= 8) writer.i32(0);
      writer.tags();
    });
    writer.tags();
  });
}
