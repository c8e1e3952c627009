import { join } from 'node:path';
import fc from 'fast-check';
import protobufjs from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { type RawSpan, readExportRequest, writeExportRequest } from './otlp-message.ts';

const PROTO = join(import.meta.dirname, '../../../../examples/demo/otlp-trace.proto');
/** The message as the schema has it. */
const ExportRequest = protobufjs
  .loadSync(PROTO)
  .lookupType('opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest');

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const id = bytes(16).filter((value) => value.some((byte) => byte !== 0));
const span = fc.record({ traceId: id, spanId: bytes(8), name: fc.string(), kind: fc.constantFrom(1, 2, 3) });
const request = fc.record({
  resourceSpans: fc.array(
    fc.record({
      resource: fc.record({
        attributes: fc.array(fc.record({ key: fc.string(), value: fc.record({ stringValue: fc.string() }) })),
      }),
      scopeSpans: fc.array(fc.record({ spans: fc.array(span) }), { maxLength: 3 }),
    }),
    { maxLength: 3 },
  ),
});

function read(message: Uint8Array): { spans: RawSpan[]; invalid: number } {
  const spans: RawSpan[] = [];
  const invalid = readExportRequest(message, (each) => spans.push(each));
  return { spans, invalid };
}

interface Decoded {
  resourceSpans: { resource: object; scopeSpans: { spans: { name: string; traceId: Buffer }[] }[] }[];
}

const flatten = (message: Uint8Array) =>
  (
    ExportRequest.toObject(ExportRequest.decode(message), { defaults: true }) as Decoded
  ).resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) => spans.map((each) => ({ resource, span: each }))),
  );

describe('export requests', () => {
  test('come apart into the spans that are in them, and together again into a request with the same', () => {
    fc.assert(
      fc.property(request, (wanted) => {
        const message = Buffer.from(ExportRequest.encode(ExportRequest.fromObject(wanted)).finish());
        const { spans, invalid } = read(message);
        expect(invalid).toBe(0);
        expect(spans.map(({ traceId }) => Buffer.from(traceId))).toEqual(
          flatten(message).map(({ span: { traceId } }) => traceId),
        );
        expect(flatten(writeExportRequest(spans))).toEqual(flatten(message));
      }),
    );
  });

  test('leave out spans without a trace, and count them', () => {
    const nameless = {
      resourceSpans: [{ scopeSpans: [{ spans: [{ name: 'a' }, { traceId: Buffer.alloc(16) }] }] }],
    };
    const message = ExportRequest.encode(ExportRequest.fromObject(nameless)).finish();
    expect(read(message)).toEqual({ spans: [], invalid: 2 });
  });

  test('that are damaged end in an error or in spans, never in anything else', () => {
    fc.assert(
      fc.property(request, fc.nat(), fc.integer({ min: 0, max: 255 }), (wanted, place, byte) => {
        const message = Buffer.from(ExportRequest.encode(ExportRequest.fromObject(wanted)).finish());
        if (message.length > 0) message[place % message.length] = byte;
        try {
          for (const each of read(message).spans) expect(each.traceId).toHaveLength(16);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });
});
