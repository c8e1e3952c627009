import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { LIMITS } from '../core/limits.ts';
import { type ClientHello, readClientHello } from './tls-hello.ts';

const NAME = 'Cards.Payments.test';
const RECORD_HEADER = 5;

let hello: Buffer;
let nameless: Buffer;

beforeAll(async () => {
  hello = await recordHello({ servername: NAME });
  nameless = await recordHello({});
});

/** What a real client begins with. */
async function recordHello(options: tls.ConnectionOptions): Promise<Buffer> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = tls.connect({ host: '127.0.0.1', port, ...options });
  client.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

function read(bytes: Uint8Array): ClientHello {
  return readClientHello(bytes, 0, bytes.length);
}

/** The same message in records of other sizes. */
function inRecords(bytes: Buffer, sizes: readonly number[]): Buffer {
  const message = bytes.subarray(RECORD_HEADER);
  const records: Buffer[] = [];
  for (let at = 0, i = 0; at < message.length; i++) {
    const fragment = message.subarray(at, at + (sizes[i] ?? message.length));
    const header = Buffer.from([22, 3, 1, 0, 0]);
    header.writeUInt16BE(fragment.length, 3);
    records.push(header, fragment);
    at += fragment.length;
  }
  return Buffer.concat(records);
}

/** A minimal ClientHello with these extensions, which may be as wrong as they like. */
function helloWith(...extensions: { type: number; data: Buffer }[]): Buffer {
  const list = extensions.map(({ type, data }) => Buffer.concat([uint16(type), uint16(data.length), data]));
  const all = Buffer.concat(list);
  const body = Buffer.concat([
    uint16(0x0303),
    Buffer.alloc(32),
    Buffer.from([0]),
    uint16(2),
    uint16(0x1301),
    Buffer.from([1, 0]),
    uint16(all.length),
    all,
  ]);
  const message = Buffer.concat([Buffer.from([1, 0]), uint16(body.length), body]);
  return Buffer.concat([Buffer.from([22, 3, 1]), uint16(message.length), message]);
}

function serverName(name: string, type = 0): { type: number; data: Buffer } {
  const entry = Buffer.concat([Buffer.from([type]), uint16(name.length), Buffer.from(name, 'latin1')]);
  return { type: 0, data: Buffer.concat([uint16(entry.length), entry]) };
}

function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255]);
}

describe('a ClientHello', () => {
  test('of a real client gives its server name in lower case, or none', () => {
    expect(read(hello)).toEqual({ serverName: NAME.toLowerCase() });
    expect(read(nameless)).toEqual({ serverName: '' });
  });

  test('is read alike whatever records it comes in', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 20 }), (sizes) => {
        expect(read(inRecords(hello, sizes))).toEqual({ serverName: NAME.toLowerCase() });
      }),
    );
  });

  test('is incomplete until its last byte, whatever follows it in another record', () => {
    const bytes = inRecords(hello, [7, 60]);
    for (let end = 0; end < bytes.length; end++) expect(read(bytes.subarray(0, end))).toBe('incomplete');
    expect(read(Buffer.concat([bytes, Buffer.from([23, 3, 3, 0, 1, 0])]))).toEqual(read(hello));
  });

  test('that is longer than the bound is malformed as soon as that is sure', () => {
    const endless = inRecords(
      Buffer.concat([hello.subarray(0, 6), Buffer.from([0, 0x3f, 0x00])]),
      [1, 1, 1, 1],
    );
    const bytes = Buffer.concat([
      endless,
      Buffer.from([22, 3, 1, 0x40, 0]),
      Buffer.alloc(LIMITS.clientHelloBytes),
    ]);
    expect(read(bytes.subarray(0, LIMITS.clientHelloBytes - 1))).toBe('incomplete');
    expect(read(bytes.subarray(0, LIMITS.clientHelloBytes))).toBe('malformed');
  });
});

describe('is malformed', () => {
  test.each<[string, () => Buffer]>([
    ['with two server names', () => helloWith(serverName('a.test'), serverName('b.test'))],
    ['with a name of another kind', () => helloWith(serverName('a.test', 1))],
    ['with an empty name', () => helloWith(serverName(''))],
    ['with an IP address for a name', () => helloWith(serverName('10.0.0.1'))],
    ['with a name that is no host name', () => helloWith(serverName('a.test\0b.test'))],
    ['with a name with a dot at its end', () => helloWith(serverName('a.test.'))],
    [
      'with bytes behind the name',
      () => helloWith({ type: 0, data: Buffer.concat([serverName('a.test').data, uint16(0)]) }),
    ],
    ['with an extension that is cut off', () => helloWith({ type: 0, data: Buffer.from([0]) })],
    ['in a record of another kind', () => Buffer.from([23, 3, 1, 0, 1, 1])],
    ['in a record of no version', () => Buffer.from([22, 2, 1, 0, 1, 1])],
    ['in an empty record', () => Buffer.from([22, 3, 1, 0, 0])],
    ['in a record that is too long', () => Buffer.from([22, 3, 1, 0x40, 1])],
    ['when it is another message', () => Buffer.from([22, 3, 1, 0, 1, 2])],
    [
      'with bytes behind it in its record',
      () => {
        const bytes = Buffer.concat([hello, Buffer.from([0])]);
        bytes.writeUInt16BE(bytes.length - RECORD_HEADER, 3);
        return bytes;
      },
    ],
  ])('%s', (_, bytes) => {
    expect(read(bytes())).toBe('malformed');
  });
});

test('whatever is done to a ClientHello, it is read without a throw and the same at every split', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 5 }),
      fc.nat(),
      (changes, sizes, cut) => {
        const bytes = inRecords(hello, sizes);
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        const whole = read(bytes);
        const part = read(bytes.subarray(0, cut % bytes.length));
        if (part !== 'incomplete') expect(part).toEqual(whole);
      },
    ),
    { numRuns: 3_000 },
  );
});
