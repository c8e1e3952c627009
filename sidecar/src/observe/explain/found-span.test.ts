import { join } from 'node:path';
import fc from 'fast-check';
import protobufjs from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { appSpan } from './found-span.ts';

const schema = protobufjs.loadSync(join(import.meta.dirname, '../../../../examples/demo/otlp-trace.proto'));
const type = (name: string) => schema.lookupType(`opentelemetry.proto.collector.trace.v1.${name}`);

function encode(name: string, value: object): Uint8Array {
  return type(name).encode(type(name).fromObject(value)).finish();
}

const RESOURCE = encode('Resource', {
  attributes: [{ key: 'service.name', value: { stringValue: 'orders' } }],
});

const value = fc.oneof(
  fc.string().map((text) => [{ stringValue: text }, text] as const),
  fc.boolean().map((flag) => [{ boolValue: flag }, flag] as const),
  fc.maxSafeInteger().map((number) => [{ intValue: number }, number] as const),
  fc.double({ noNaN: true }).map((number) => [{ doubleValue: number }, number] as const),
);
const attributes = fc.uniqueArray(fc.tuple(fc.oneof(fc.string(), fc.constant('__proto__')), value), {
  selector: ([key]) => key,
});
const id = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

describe('a span of the service', () => {
  test('is read as it was written', () => {
    const span = fc.record({
      traceId: id(16),
      spanId: id(8),
      parentSpanId: id(8),
      name: fc.string(),
      attributes,
    });
    fc.assert(
      fc.property(
        span,
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        ({ attributes: given, ...wanted }, kind, fails) => {
          const bytes = encode('Span', {
            ...wanted,
            kind,
            startTimeUnixNano: '1790000000000123456',
            endTimeUnixNano: '1790000000001000000',
            attributes: given.map(([key, [encoded]]) => ({ key, value: encoded })),
            status: fails ? { code: 2, message: 'why' } : {},
          });
          const found = appSpan({ resource: RESOURCE, span: bytes });
          expect(found).toMatchObject({
            traceId: Buffer.from(wanted.traceId).toString('hex'),
            spanId: Buffer.from(wanted.spanId).toString('hex'),
            parentId: Buffer.from(wanted.parentSpanId).toString('hex'),
            name: wanted.name,
            kind: ['internal', 'server', 'client', 'producer', 'consumer'][kind - 1],
            service: 'orders',
            component: 'service',
            error: fails,
            errorMessage: fails ? 'why' : '',
          });
          expect(found.startMs).toBeCloseTo(1_790_000_000_000.123, 2);
          expect(new Map(Object.entries(found.attributes))).toEqual(
            new Map(given.map(([key, [, plain]]) => [key, plain])),
          );
        },
      ),
    );
  });

  test('has its events', () => {
    const bytes = encode('Span', {
      events: [
        {
          name: 'retry',
          timeUnixNano: '1790000000000000000',
          attributes: [{ key: 'n', value: { intValue: 2 } }],
        },
      ],
    });
    expect(appSpan({ resource: RESOURCE, span: bytes }).events).toEqual([
      { name: 'retry', atMs: 1_790_000_000_000, attributes: { n: 2 } },
    ]);
  });

  test('that is damaged is an error or a span, never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          expect(typeof appSpan({ resource: RESOURCE, span: bytes }).name).toBe('string');
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });
});
