import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { plainPaint } from '../trace/paint.ts';
import type { Attributes, Span } from '../trace/span.ts';
import type { Trace } from '../trace/trace.ts';
import { drawWaterfall } from '../trace/waterfall.ts';
import { diagnose } from './diagnosis.ts';
import { readFoundTrace } from './found-trace.ts';
import { tellDiagnosis } from './words.ts';

// Anybody may send spans: what there is to say about them must always be said.

// Few ids, so that spans hang below each other, below nobody, below themselves and in circles.
const id = fc.constantFrom('1', '2', '3', '4', '5', '6');
const time = fc.oneof(
  fc.integer({ min: -50, max: 5_000 }),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }),
);
const attributes: fc.Arbitrary<Attributes> = fc
  .record(
    {
      'http.request.method': fc.constantFrom('GET', 'POST'),
      'url.path': fc.string(),
      'url.full': fc.string(),
      'http.response.status_code': fc.oneof(fc.constantFrom(200, 202, 404, 429, 500, 503), fc.double()),
      'tulle.direction': fc.constantFrom('inbound', 'outbound', 'sideways'),
      'tulle.failure.code': fc.constantFrom('none', 'tls_failed', 'rate_limited', 'invented', '__proto__'),
      'tulle.failure.detail': fc.string(),
      'tulle.access.decision': fc.constantFrom('allow', 'deny', 'would_deny', 'toString'),
      'tulle.policy.refusal': fc.constantFrom('jwt a/b expired', 'rate_limit a/b', '__proto__ x', ' '),
      'tulle.policy.shadow': fc.oneof(
        fc.string(),
        fc
          .array(fc.constantFrom('jwt a/b expired', 'fault', 'retry', 'waf a/b c', ' '))
          .map((list) => list.join()),
      ),
      'tulle.attempts': fc.oneof(fc.integer(), fc.string()),
      'tulle.phase.connect_ms': fc.double(),
      'tulle.phase.upstream_ms': fc.double(),
      'error.type': fc.string(),
      'server.address': fc.string(),
      'messaging.destination.name': fc.string(),
    },
    { requiredKeys: [] },
  )
  .map((record) => new Map(Object.entries(record)));

const span: fc.Arbitrary<Span> = fc.record({
  traceId: fc.constant('a'),
  spanId: id,
  parentId: fc.option(id),
  name: fc.string(),
  kind: fc.constantFrom('internal', 'server', 'client', 'producer', 'consumer'),
  service: fc.constantFrom('gateway', 'worker', ''),
  instance: fc.constantFrom('', 'a'),
  component: fc.constantFrom('sidecar', 'service'),
  startMs: time,
  endMs: time,
  attributes,
  events: fc.array(fc.record({ name: fc.constantFrom('gave up', 'other'), atMs: time, attributes }), {
    maxLength: 2,
  }),
  error: fc.boolean(),
  errorMessage: fc.string(),
  usual: fc.option(
    fc.record({
      p50Ms: fc.double({ noNaN: true, noDefaultInfinity: true }),
      p99Ms: fc.double({ noNaN: true, noDefaultInfinity: true }),
    }),
  ),
});
const trace: fc.Arbitrary<Trace> = fc.array(span, { maxLength: 6 }).map((spans) => ({
  traceId: 'a',
  spans: new Map(spans.map((each) => [each.spanId, each])),
  dropped: 0,
}));

describe('any set of spans', () => {
  test('has a diagnosis, in words, whose hop is one of them', () => {
    fc.assert(
      fc.property(trace, (given) => {
        const diagnosis = diagnose(given, null);
        expect(tellDiagnosis(diagnosis)).toMatch(/\S\.$/);
        if (diagnosis.outcome === 'ok') expect(diagnosis.spanId).toBeNull();
        else expect([...given.spans.keys()]).toContain(diagnosis.spanId);
        expect(JSON.parse(JSON.stringify(diagnosis)).outcome).toBe(diagnosis.outcome);
      }),
      { numRuns: 2_000 },
    );
  });

  test('is drawn', () => {
    fc.assert(
      fc.property(trace, fc.integer({ min: 80, max: 160 }), (given, width) => {
        expect(drawWaterfall(given, { width, paint: plainPaint }).length).toBeGreaterThan(0);
      }),
      { numRuns: 1_000 },
    );
  });

  test('is diagnosed as well when it is as deep as what is read', () => {
    const deep = Array.from({ length: 2_000 }, (_, at) => ({
      ...fc.sample(span, { numRuns: 1, seed: at })[0],
      spanId: `${at}`,
      parentId: at === 0 ? null : `${at - 1}`,
      attributes: {},
      events: [],
    }));
    const answer = { traceId: 'a', requestId: null, asked: 1, answered: 1, spans: deep };
    const read = readFoundTrace(JSON.stringify(answer), 'test').trace;
    expect(read.spans.size).toBe(2_000);
    expect(tellDiagnosis(diagnose(read, null))).not.toBe('');
    expect(drawWaterfall(read, { width: 100, paint: plainPaint }).length).toBeGreaterThan(2_000);
  });
});
