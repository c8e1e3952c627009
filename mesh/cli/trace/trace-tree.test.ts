import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Sketch, sketchTrace } from './hand-built-trace.fixture.ts';
import type { Span } from './span.ts';
import type { Trace } from './trace.ts';
import { attemptGroups, buildTree, flatten } from './trace-tree.ts';

describe('buildTree', () => {
  it('has every span exactly once, whatever the spans say about their parents', () => {
    const spans = fc.array(fc.record({ parent: fc.nat(12), startMs: fc.nat(50), tookMs: fc.nat(50) }), {
      minLength: 1,
      maxLength: 10,
    });
    fc.assert(
      fc.property(spans, (shapes) => {
        const made = shapes.map((shape, i) =>
          spanOf(i, shape.parent, shape.startMs, shape.startMs + shape.tookMs),
        );
        const nodes = flatten(buildTree(traceOf(made)).roots);
        expect(nodes.map((node) => node.span.spanId).sort()).toEqual(made.map((span) => span.spanId).sort());
        for (const node of nodes) {
          expect(node.endMs - node.startMs).toBeCloseTo(node.span.endMs - node.span.startMs, 6);
          if (node.parent !== null) expect(node.parent.children).toContain(node);
        }
      }),
    );
  });

  it('never lets a process be called before its caller calls', () => {
    const skewed = fc.record({ startMs: fc.integer({ min: -1000, max: 1000 }), tookMs: fc.nat(200) });
    fc.assert(
      fc.property(skewed, fc.nat(500), ({ startMs, tookMs }, callMs) => {
        const called = server('callee', [startMs, startMs + tookMs]);
        const [root] = buildTree(sketchTrace(client([100, 100 + callMs], called))).roots;
        const callee = root?.children[0];
        expect(callee?.startMs).toBeGreaterThanOrEqual(root?.startMs as number);
        // What would have fitted into the call does not begin after it either.
        if (tookMs <= callMs) expect(callee?.startMs).toBeLessThanOrEqual(root?.endMs as number);
      }),
    );
  });

  it('moves what lies below a span of another clock along with it', () => {
    const inner: Sketch = { service: 'callee', kind: 'internal', at: [-480, -470] };
    const [root] = buildTree(
      sketchTrace(client([0, 100], { ...server('callee', [-500, -450]), children: [inner] })),
    ).roots;
    const callee = root?.children[0];
    expect(callee?.shiftMs).toBe(500);
    expect((callee?.children[0]?.startMs as number) - (callee?.startMs as number)).toBe(20);
  });

  it('leaves a job where it is, long after its sender', () => {
    const taken: Sketch = { service: 'worker', kind: 'consumer', at: [500, 510] };
    const sent: Sketch = { service: 'gateway', kind: 'producer', at: [0, 50], children: [taken] };
    expect(buildTree(sketchTrace(sent)).roots[0]?.children[0]?.shiftMs).toBe(0);
  });

  it('knows a span whose parent never came', () => {
    const trace = sketchTrace(client([0, 100], server('callee', [10, 90])));
    const [, callee] = trace.spans.values();
    const [root] = buildTree(traceOf([callee as Span])).roots;
    expect(root?.orphan).toBe(true);
  });
});

describe('attemptGroups', () => {
  it('groups the same call made again, and only if the one before was over', () => {
    const caller: Sketch = {
      service: 'a',
      kind: 'internal',
      at: [0, 100],
      children: [
        call('/x', [0, 10]),
        call('/x', [20, 30]),
        call('/y', [40, 50]),
        call('/y', [45, 60]),
        call('/x', [70, 80]),
      ],
    };
    const groups = attemptGroups(buildTree(sketchTrace(caller)).roots[0]?.children ?? []);
    expect(groups.map((group) => group.map((node) => node.span.attributes.get('url.path')))).toEqual([
      ['/x', '/x'],
      ['/y'],
      ['/y'],
      ['/x'],
    ]);
  });
});

function call(path: string, at: [number, number]): Sketch {
  return { service: 'a', kind: 'client', at, attributes: { 'url.path': path } };
}

function client(at: [number, number], called: Sketch): Sketch {
  return { service: 'caller', kind: 'client', at, children: [called] };
}

function server(service: string, at: [number, number]): Sketch {
  return { service, kind: 'server', at };
}

function spanOf(index: number, parent: number, startMs: number, endMs: number): Span {
  const [span] = sketchTrace({
    service: `s${index % 3}`,
    kind: 'client',
    at: [startMs, endMs],
  }).spans.values();
  // Parents reach over the end of the list, to the span itself, and into circles.
  return { ...(span as Span), spanId: `${index}`, parentId: parent === 12 ? null : `${parent}` };
}

function traceOf(spans: Span[]): Trace {
  return { traceId: 'a'.repeat(32), spans: new Map(spans.map((span) => [span.spanId, span])), dropped: 0 };
}
