import fc from 'fast-check';
import { expect, test } from 'vitest';
import { appSpan, type FoundSpan, KINDS } from './explain/found-span.ts';
import { readExportRequest } from './intake/otlp-message.ts';
import { RESOURCE } from './own-span.fixture.ts';
import { SpanWriter } from './span-writer.ts';

const id = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value) => Buffer.from(value).toString('hex'));
/** Lengths on both sides of where one byte more is needed to say them. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.integer({ min: 100, max: 140 }).map((length) => 'x'.repeat(length)),
  fc.integer({ min: 16_370, max: 16_400 }).map((length) => 'x'.repeat(length)),
);
/** Of -0 nobody makes a difference. */
const value = fc.oneof(
  text,
  fc.boolean(),
  fc.maxSafeNat(),
  fc.double({ noNaN: true }).map((number) => number + 0),
  fc.integer(),
);
const span: fc.Arbitrary<FoundSpan> = fc.record({
  traceId: id(16).filter((hex) => /[1-9a-f]/.test(hex)),
  spanId: id(8),
  parentId: fc.option(id(8)),
  name: text,
  kind: fc.constantFrom(...KINDS),
  service: fc.constant(RESOURCE['service.name']),
  instance: fc.constant(RESOURCE['service.instance.id']),
  component: fc.constant('service' as const),
  startMs: fc.double({ min: 0, max: 2e12, noNaN: true }),
  endMs: fc.double({ min: 0, max: 2e12, noNaN: true }),
  attributes: fc.dictionary(
    fc.string({ maxLength: 8 }),
    value.filter((each) => each !== ''),
    { maxKeys: 8, noNullPrototype: true },
  ),
  events: fc.constant([]),
  error: fc.boolean(),
  errorMessage: fc.constant(''),
  usual: fc.constant(null),
});

test('what is written is read again, span by span, by who reads those of services', () => {
  const writer = new SpanWriter();
  fc.assert(
    fc.property(fc.array(span, { minLength: 1, maxLength: 6 }), text, (spans, message) => {
      const written = spans.map((each) => (each.error ? { ...each, errorMessage: message } : each));
      const read: FoundSpan[] = [];
      const invalid = readExportRequest(writer.write(written, { ...RESOURCE }), (raw) =>
        read.push(appSpan(raw)),
      );
      expect(invalid).toBe(0);
      expect(read.map(({ startMs, endMs, ...rest }) => rest)).toEqual(
        written.map(({ startMs, endMs, ...rest }) => rest),
      );
      for (const [i, { startMs, endMs }] of read.entries()) {
        expect(startMs).toBeCloseTo(written[i]?.startMs ?? 0, 2);
        expect(endMs).toBeCloseTo(written[i]?.endMs ?? 0, 2);
      }
    }),
  );
});
