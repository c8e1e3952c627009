import { describe, expect, it } from 'vitest';
import { sketchTrace } from '../../mesh/cli/trace/hand-built-trace.fixture.ts';
import type { Span } from '../../mesh/cli/trace/span.ts';
import { TraceStore } from './trace-store.ts';

const ROOMY = { traces: 100, spansPerTrace: 100, storeBytes: 1_000_000 };

describe('TraceStore', () => {
  it('gathers the spans of a trace, whatever batches they come in, and counts each once', () => {
    const store = new TraceStore(ROOMY);
    store.add([span('t1', 's1'), span('t2', 's1')]);
    const changed = store.add([span('t1', 's2'), span('t2', 's1')]);
    expect([...changed]).toEqual(['t1']);
    expect(ids(store)).toEqual({ t1: ['s1', 's2'], t2: ['s1'] });
  });

  it('lets the oldest trace go when there is one too many', () => {
    const store = new TraceStore({ ...ROOMY, traces: 2 });
    for (const trace of ['t1', 't2', 't3']) store.add([span(trace, 's1')]);
    expect(ids(store)).toEqual({ t2: ['s1'], t3: ['s1'] });
  });

  it('keeps no more spans of a trace than allowed and counts the rest', () => {
    const store = new TraceStore({ ...ROOMY, spansPerTrace: 2 });
    store.add([span('t1', 's1'), span('t1', 's2'), span('t1', 's3'), span('t1', 's4')]);
    expect(ids(store)).toEqual({ t1: ['s1', 's2'] });
    expect(store.get('t1')?.dropped).toBe(2);
  });

  it('never holds more bytes than allowed, and gives back what an evicted trace took', () => {
    const store = new TraceStore({ ...ROOMY, storeBytes: 10_000 });
    for (let i = 0; i < 200; i++) {
      store.add([span(`t${i}`, 's1', 'x'.repeat(i))]);
      expect(store.bytes).toBeLessThanOrEqual(10_000);
    }
    expect(store.traces().length).toBeGreaterThan(1);
    expect(store.traces().at(-1)?.traceId).toBe('t199');
  });

  it('does not keep a single trace that is larger than everything it may hold', () => {
    const store = new TraceStore({ ...ROOMY, storeBytes: 2_000 });
    store.add([span('t1', 's1', 'x'.repeat(5_000))]);
    expect(store.traces()).toEqual([]);
    expect(store.bytes).toBe(0);
  });
});

function span(traceId: string, spanId: string, value = ''): Span {
  const trace = sketchTrace({ service: 'a', kind: 'server', at: [0, 1], attributes: { value } });
  const [sketched] = trace.spans.values();
  return { ...(sketched as Span), traceId, spanId };
}

function ids(store: TraceStore): Record<string, string[]> {
  return Object.fromEntries(store.traces().map((trace) => [trace.traceId, [...trace.spans.keys()]]));
}
