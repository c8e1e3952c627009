/** nghttp2, inside node:http2, as the peer: it reads what the encoder writes, and writes what the decoder reads, over real connections. */
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { seededRandom } from '../../../../../test/seeded-random.ts';
import { decodeBlock } from './decoded.fixture.ts';
import { HPACK_OK, HpackDecoder } from './decoder.ts';
import { encodeBlock, type Field } from './encoded.fixture.ts';
import { HpackEncoder } from './encoder.ts';

const MESSAGES = 400;
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const FRAME_HEADER_BYTES = 9;
const HEADERS = 0x1;
const SETTINGS = 0x4;
const END_STREAM = 0x1;
const ACK = 0x1;
const END_HEADERS = 0x4;
const HEADER_TABLE_SIZE = 0x1;
const SETTING_BYTES = 6;

interface Frame {
  type: number;
  flags: number;
  stream: number;
  payload: Buffer;
}

it.each([0, 200, 4_096, 65_536])('nghttp2 reads requests, its table is %i bytes', async (headerTableSize) => {
  const server = createHttp2Server({ settings: { headerTableSize } });
  const seen: Field[][] = [];
  server.on('stream', (stream: ServerHttp2Stream, _headers, _flags, rawHeaders: string[]) => {
    seen.push(pairsOf(rawHeaders));
    stream.respond({ ':status': 204 }, { endStream: true });
  });
  const socket = connect(await listen(server), '127.0.0.1');
  const encoder = new HpackEncoder();
  const sent: Field[][] = [];
  try {
    socket.write(PREFACE);
    writeFrame(socket, SETTINGS, 0, 0, Buffer.alloc(0));
    let answered = 0;
    const done = new Promise<void>((resolve, reject) => {
      socket.on('close', () => reject(new Error(`closed after ${answered} answers`)));
      readFrames(socket, '', ({ type, flags, payload }) => {
        if (type === SETTINGS && (flags & ACK) === 0) {
          encoder.setMaxTableBytes(tableBytesOf(payload));
          writeFrame(socket, SETTINGS, ACK, 0, Buffer.alloc(0));
        } else if (type === HEADERS) {
          answered++;
        } else return;
        if (answered === MESSAGES) resolve();
        else sendRequest(answered);
      });
    });
    const fieldsOf = fieldMaker(headerTableSize + 1);
    const sendRequest = (i: number) => {
      const fields: Field[] = [
        [':method', i % 3 === 0 ? 'POST' : 'GET'],
        [':scheme', 'http'],
        [':authority', 'demo.test'],
        [':path', `/${i % 5}`],
        ...fieldsOf(),
      ];
      sent.push(fields);
      writeFrame(socket, HEADERS, END_HEADERS | END_STREAM, 1 + i * 2, encodeBlock(encoder, fields));
    };
    await done;
  } finally {
    socket.removeAllListeners('close').destroy();
    server.close();
  }
  expect(seen).toEqual(sent);
});

it.each([0, 200, 4_096])(
  'nghttp2 writes requests and reads answers, its table is %i bytes',
  async (headerTableSize) => {
    const decoder = new HpackDecoder();
    const encoder = new HpackEncoder();
    const fieldsOf = fieldMaker(headerTableSize + 2);
    const received: Field[][] = [];
    const answers: Field[][] = [];
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      writeFrame(socket, SETTINGS, 0, 0, Buffer.alloc(0));
      readFrames(socket, PREFACE, ({ type, flags, stream, payload }) => {
        if (type === SETTINGS && (flags & ACK) === 0) {
          encoder.setMaxTableBytes(tableBytesOf(payload));
          writeFrame(socket, SETTINGS, ACK, 0, Buffer.alloc(0));
        }
        if (type !== HEADERS) return;
        const { result, fields } = decodeBlock(decoder, payload);
        if (result !== HPACK_OK) throw new Error(`block refused: ${result}`);
        received.push(fields);
        const answer: Field[] = [[':status', received.length % 4 === 0 ? '503' : '200'], ...fieldsOf()];
        answers.push(answer);
        writeFrame(socket, HEADERS, END_HEADERS | END_STREAM, stream, encodeBlock(encoder, answer));
      });
    });
    const client = connectHttp2(`http://127.0.0.1:${await listen(server)}`, {
      settings: { headerTableSize },
    });
    const sent: Field[][] = [];
    const read: Field[][] = [];
    try {
      for (let i = 0; i < MESSAGES; i++) {
        const fields: Field[] = [[':path', `/${i % 5}`], ...fieldsOf()];
        sent.push(fields);
        read.push(await ask(client, fields));
      }
    } finally {
      client.destroy();
      server.close();
    }
    // What was asked for is in another order, among pseudo-headers of the client's own.
    for (const [i, fields] of sent.entries())
      expect(received[i]).toEqual(expect.arrayContaining(fields as Field[]));
    expect(read).toEqual(answers);
  },
);

async function ask(client: ClientHttp2Session, fields: Field[]): Promise<Field[]> {
  const request = client.request(Object.fromEntries(fields), { endStream: true });
  const answer = once(request, 'response') as Promise<[IncomingHttpHeaders, number, string[]]>;
  const [, , rawHeaders] = await answer;
  request.resume();
  await once(request, 'end');
  return pairsOf(rawHeaders);
}

/** Fields with names that no message repeats, with values that do repeat, or vary, or are large. */
function fieldMaker(seed: number): () => Field[] {
  const random = seededRandom(seed);
  const pick = (count: number) => Math.floor(random() * count);
  const names = [
    'accept',
    'user-agent',
    'x-request-id',
    'traceparent',
    'date',
    'authorization',
    'x-a',
    'x-b',
    'b3',
  ];
  const values = [
    () => `v${pick(3)}`,
    () => `id-${pick(1_000_000)}`,
    () => 'application/json; charset=utf-8',
    () => `${pick(10)}`.repeat(pick(400)),
    () => '!#$%&*~^|<>{}[]\\',
  ];
  return () =>
    names
      .filter(() => pick(2) === 0)
      .map((name): Field => [name, (values[pick(values.length)] as () => string)()]);
}

function readFrames(socket: Socket, preface: string, onFrame: (frame: Frame) => void): void {
  let bytes = Buffer.alloc(0);
  let skip = preface.length;
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length < skip + FRAME_HEADER_BYTES) return;
    bytes = bytes.subarray(skip);
    skip = 0;
    while (bytes.length >= FRAME_HEADER_BYTES) {
      const end = FRAME_HEADER_BYTES + bytes.readUIntBE(0, 3);
      if (bytes.length < end) return;
      const [type, flags, stream] = [bytes.readUInt8(3), bytes.readUInt8(4), bytes.readUInt32BE(5)];
      const payload = bytes.subarray(FRAME_HEADER_BYTES, end);
      bytes = bytes.subarray(end);
      onFrame({ type, flags, stream, payload });
    }
  });
}

function writeFrame(socket: Socket, type: number, flags: number, stream: number, payload: Buffer): void {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  socket.write(Buffer.concat([header, payload]));
}

function tableBytesOf(settings: Buffer): number {
  for (let at = 0; at < settings.length; at += SETTING_BYTES)
    if (settings.readUInt16BE(at) === HEADER_TABLE_SIZE) return settings.readUInt32BE(at + 2);
  return 4_096;
}

function pairsOf(raw: string[]): Field[] {
  return Array.from(
    { length: raw.length / 2 },
    (_, i): Field => [raw[i * 2] as string, raw[i * 2 + 1] as string],
  );
}

async function listen(server: Server | ReturnType<typeof createHttp2Server>): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
