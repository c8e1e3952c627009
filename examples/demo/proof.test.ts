import { describe, expect, it } from 'vitest';
import { sketchCall, sketchTrace } from '../../mesh/cli/trace/hand-built-trace.fixture.ts';
import type { AttributeValue, Span } from '../../mesh/cli/trace/span.ts';
import type { Trace } from '../../mesh/cli/trace/trace.ts';
import { countSeen, type Expectation, findMissing } from './proof.ts';

const EXPECTED: Expectation = {
  requestId: 'req-1',
  services: ['gateway', 'worker'],
  calls: [['gateway', 'worker']],
  outcome: 'ok',
};

describe('findMissing', () => {
  it('finds nothing missing in a whole trace', () => {
    expect(findMissing([whole()], EXPECTED)).toEqual([]);
    expect(countSeen(whole())).toContain('2 services, 2 sidecar hops, 2 of them with a proven mTLS peer');
  });

  it.each<[string, (span: Span) => Span | null, string]>([
    [
      'a service that was not seen',
      (span) => (span.service === 'worker' && span.component === 'service' ? null : span),
      'no span of worker itself',
    ],
    [
      'a sidecar that was not seen',
      (span) => (span.service === 'worker' && span.component === 'sidecar' ? null : span),
      'no span of the sidecar of worker',
    ],
    [
      'a call whose callee proved nothing',
      (span) => without(span, 'tulle.upstream.identity'),
      'gateway -> worker: no outbound span whose peer proved to be spiffe://demo.tulle.test/ns/demo/sa/worker',
    ],
    [
      'a call whose caller proved nothing',
      (span) => without(span, 'tulle.peer.identity'),
      'gateway -> worker: an inbound span whose peer did not prove to be spiffe://demo.tulle.test/ns/demo/sa/gateway',
    ],
    [
      'a hop that made a request id of its own',
      (span) => (span.component === 'sidecar' ? withAttribute(span, 'tulle.request_id', 'other') : span),
      'gateway (sidecar) has other instead of req-1',
    ],
  ])('finds %s', (_what, change, sentence) => {
    const spans = [...whole().spans.values()].map(change).filter((span) => span !== null);
    expect(findMissing([traceOf(spans)], EXPECTED)).toContain(sentence);
  });

  it('finds a service that should have been spared', () => {
    const sparing = { ...EXPECTED, spared: ['worker'] };
    expect(findMissing([whole()], sparing)).toEqual(['worker was reached, and should have been spared']);
  });

  it('finds a request that is spread over two traces, or nowhere', () => {
    expect(findMissing([whole(), whole()], EXPECTED)).toContain(
      'the request is spread over 2 trace ids instead of one',
    );
    expect(findMissing([], EXPECTED)).toEqual(['no span with this request id arrived']);
  });

  it('finds a verdict that points at the wrong place', () => {
    const blaming: Expectation = { ...EXPECTED, outcome: 'died', blamed: 'gateway', words: ['4 attempts'] };
    expect(findMissing([whole(503)], blaming)).toContain(
      'the verdict should be "died, in gateway, 4 attempts" and is "died: died in worker: POST /runs answered 503"',
    );
    expect(findMissing([whole(503)], { ...blaming, blamed: 'worker', words: ['503'] })).toEqual([]);
  });
});

function whole(status = 200): Trace {
  const trace = sketchTrace(sketchCall('gateway', 'worker', '/runs', status, [0, 20]));
  // The caller's own span is the one that sketches leave without a request id.
  return traceOf([...trace.spans.values()].map((span) => withAttribute(span, 'tulle.request_id', 'req-1')));
}

function withAttribute(span: Span, key: string, value: AttributeValue): Span {
  return { ...span, attributes: new Map([...span.attributes, [key, value]]) };
}

function without(span: Span, key: string): Span {
  return { ...span, attributes: new Map([...span.attributes].filter(([name]) => name !== key)) };
}

function traceOf(spans: Span[]): Trace {
  return { traceId: 'a'.repeat(32), spans: new Map(spans.map((span) => [span.spanId, span])), dropped: 0 };
}
