import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOnSampler, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterEach, describe, expect, it } from 'vitest';
import type { Span } from '../../mesh/cli/trace/span.ts';
import { limits } from './limits.ts';
import { type OtlpReceiver, startOtlpReceiver } from './otlp-receiver.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0)) await part.close();
});

describe('the OTLP receiver, fed by the real gRPC exporter', () => {
  it('decodes what a span says', async () => {
    const { received, tracer } = await connect({ 'service.name': 'gateway', 'tulle.component': 'sidecar' });
    const parent = tracer.startSpan('parent', {
      kind: SpanKind.SERVER,
      startTime: [1_700_000_000, 123_456_789],
    });
    parent.setAttributes({
      'http.response.status_code': 500,
      'tulle.phase.head_ms': 0.25,
      ok: true,
      'a.list': ['x'],
    });
    parent.addEvent('retry scheduled', { delay_ms: 7 }, [1_700_000_000, 200_000_000]);
    parent.setStatus({ code: SpanStatusCode.ERROR, message: 'why' });
    parent.end([1_700_000_001, 0]);
    const [span] = await received(1);
    expect(span).toMatchObject({
      traceId: parent.spanContext().traceId,
      spanId: parent.spanContext().spanId,
      parentId: null,
      name: 'parent',
      kind: 'server',
      service: 'gateway',
      component: 'sidecar',
      error: true,
      errorMessage: 'why',
    });
    expect(span?.startMs).toBeCloseTo(1_700_000_000_123.456, 3);
    expect(span?.endMs).toBe(1_700_000_001_000);
    expect(Object.fromEntries(span?.attributes ?? [])).toEqual({
      'http.response.status_code': 500,
      'tulle.phase.head_ms': 0.25,
      ok: true,
    });
    expect(span?.events.map(({ name, attributes }) => [name, attributes.get('delay_ms')])).toEqual([
      ['retry scheduled', 7],
    ]);
  });

  it('tells parents and kinds apart, and a service from a sidecar', async () => {
    const { received, tracer, inside } = await connect({ 'service.name': 'gateway' });
    const parent = tracer.startSpan('parent', { kind: SpanKind.PRODUCER });
    const child = tracer.startSpan('child', { kind: SpanKind.CONSUMER }, inside(parent));
    child.end();
    parent.end();
    const spans = await received(2);
    expect(spans.map(({ name, kind, parentId, component }) => [name, kind, parentId, component])).toEqual([
      ['child', 'consumer', parent.spanContext().spanId, 'service'],
      ['parent', 'producer', null, 'service'],
    ]);
  });

  it('bounds what it keeps of a span and lets nothing through that would move the cursor of a terminal', async () => {
    const { received, tracer } = await connect({ 'service.name': 'gateway' });
    const span = tracer.startSpan('\u001b[2Jcleared\nscreen');
    for (let i = 0; i < 100; i++) span.setAttribute(`key${i}`, 'y'.repeat(2 * limits.attributeChars));
    span.end();
    const [kept] = await received(1);
    expect(kept?.name).toBe('\ufffd[2Jcleared\ufffdscreen');
    expect(kept?.attributes.size).toBe(limits.attributesPerSpan);
    expect(kept?.attributes.get('key0')).toBe('y'.repeat(limits.attributeChars));
  });
});

async function connect(resource: Record<string, string>) {
  const { trace, ROOT_CONTEXT } = await import('@opentelemetry/api');
  const spans: Span[] = [];
  let arrived = () => {};
  const receiver: OtlpReceiver = await startOtlpReceiver((batch) => {
    spans.push(...batch);
    arrived();
  });
  const exporter = new OTLPTraceExporter({ url: `http://127.0.0.1:${receiver.port}` });
  const provider = new TracerProvider({
    resource: resourceFromAttributes(resource),
    sampler: new AlwaysOnSampler(),
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
  });
  open.push({ close: () => provider.shutdown() }, receiver);
  return {
    tracer: provider.getTracer('test'),
    inside: (span: ReturnType<ReturnType<typeof provider.getTracer>['startSpan']>) =>
      trace.setSpan(ROOT_CONTEXT, span),
    received: async (count: number): Promise<Span[]> => {
      while (spans.length < count) await new Promise<void>((resolve) => (arrived = resolve));
      return spans;
    },
  };
}
