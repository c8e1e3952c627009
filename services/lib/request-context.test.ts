import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { extractContext, injectContext, requestIdOf, withRequestId } from './request-context.ts';
import { startTelemetry } from './telemetry.ts';

const telemetry = startTelemetry('test', undefined);
afterAll(telemetry.stop);

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length });
const nonZero = (text: string) => /[1-9a-f]/.test(text);

test('what was injected is extracted, sampled or not', () => {
  const requestIds = fc.stringMatching(/^[A-Za-z0-9._:/+=-]{1,128}$/);
  const ids = [hex(32).filter(nonZero), hex(16).filter(nonZero), fc.constantFrom(0, 1)] as const;
  fc.assert(
    fc.property(...ids, requestIds, (traceId, spanId, traceFlags, requestId) => {
      const context = withRequestId(
        trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags }),
        requestId,
      );
      const read = extractContext(JSON.parse(JSON.stringify(injectContext(context))));
      expect(trace.getSpanContext(read)).toMatchObject({ traceId, spanId, traceFlags, isRemote: true });
      expect(requestIdOf(read)).toBe(requestId);
    }),
  );
});

test('tracestate and baggage travel along', () => {
  const traceparent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;
  const carrier = { traceparent, tracestate: 'a=1,b=2', baggage: 'plan=free' };
  expect(injectContext(extractContext(carrier))).toEqual(carrier);
});

test.each(['', 'a b', 'a\r\nx: y', 'ü', '"', 'x'.repeat(129), ['a', 'b']])('no request id: %j', (given) => {
  expect(requestIdOf(extractContext({ 'x-request-id': given }))).toBeUndefined();
});

test('nothing is injected where there is nothing', () => {
  expect(injectContext(ROOT_CONTEXT)).toEqual({});
});
