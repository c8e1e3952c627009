import { Client, credentials } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { countSpans, startSpanSink } from './span-sink.ts';

/** A length-delimited protobuf field with the given number. */
function field(number: number, ...content: Buffer[]): Buffer {
  const bytes = Buffer.concat(content);
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7];
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes]);
}

// A span with a name, a fixed64 start time and a varint kind; the sink must step over each wire type.
const span = field(
  2,
  field(5, Buffer.from('n'.repeat(100))),
  Buffer.from([0x39, 1, 2, 3, 4, 5, 6, 7, 8, 0x30, 3]),
);
const scope = field(2, field(1, Buffer.from('scope')), span, span);
const request = Buffer.concat([field(1, field(1), scope, scope), field(1, scope)]);

test('spans are counted across resources and scopes', () => {
  expect(countSpans(request)).toBe(6);
  expect(countSpans(Buffer.alloc(0))).toBe(0);
  expect(() => countSpans(request.subarray(0, 1))).toThrow('truncated');
});

test('a real gRPC export is answered and counted', async () => {
  const sink = await startSpanSink();
  const client = new Client(`127.0.0.1:${sink.port}`, credentials.createInsecure());
  const raw = (message: Buffer) => message;
  try {
    const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
    await new Promise<void>((resolve, reject) => {
      client.makeUnaryRequest(path, raw, raw, request, (error) => (error ? reject(error) : resolve()));
    });
    expect(sink.spans()).toBe(6);
  } finally {
    client.close();
    await sink.stop();
  }
});
