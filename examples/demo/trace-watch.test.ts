import { describe, expect, it } from 'vitest';
import { type Sketch, sketchTrace } from '../../mesh/cli/trace/hand-built-trace.fixture.ts';
import { outstanding } from '../../mesh/cli/trace/trace-progress.ts';
import { buildTree } from '../../mesh/cli/trace/trace-tree.ts';
import { TraceStore } from './trace-store.ts';
import { TraceWatch } from './trace-watch.ts';

const TIMES = { quietMs: 10, settleMs: 1_000 };

describe('outstanding', () => {
  it('finds nothing to wait for in a trace that is whole', () => {
    expect(outstandingOf(sent(taken([20, 30])))).toEqual([]);
  });

  it('waits for a job that nobody has taken, unless it could not be sent', () => {
    expect(outstandingOf(sent())).toEqual(['nobody has taken the job out of deliveries yet']);
    expect(outstandingOf({ ...sent(), error: 'no Redis' })).toEqual([]);
  });

  it('waits for the attempt that a failed one announced, until it came', () => {
    const first = taken([20, 30], ['retry scheduled']);
    expect(outstandingOf(sent(first))).toEqual(['another attempt at the job of deliveries is due']);
    expect(outstandingOf(sent(first, taken([90, 95])))).toEqual([]);
  });

  it('waits for a caller that is still busy, but not for one outside the mesh', () => {
    const root = server('gateway', [0, 50], server('worker', [10, 20]));
    const [gateway, worker] = sketchTrace(root).spans.values();
    if (gateway === undefined || worker === undefined) throw new Error('two spans were sketched');
    const other = { ...worker, spanId: 'x', parentId: 'not here' };
    expect(outstandingIn([gateway, other])).toEqual(['what called worker (work) has not sent its span yet']);
    expect(outstandingIn([{ ...gateway, parentId: 'the client' }, worker])).toEqual([]);
  });
});

describe('TraceWatch', () => {
  it('gives a whole trace once it was quiet for a moment, and once only', () => {
    const { store, watch } = watching();
    watch.changed(store.add([...sketchTrace(server('a', [0, 1])).spans.values()]), 0);
    expect(watch.takeSettled(9)).toEqual([]);
    expect(watch.takeSettled(10)).toHaveLength(1);
    expect(watch.takeSettled(5_000)).toEqual([]);
  });

  it('starts counting again with each span', () => {
    const { store, watch } = watching();
    const [first, second] = sketchTrace(server('a', [0, 9], server('b', [1, 2]))).spans.values();
    if (first === undefined || second === undefined) throw new Error('two spans were sketched');
    watch.changed(store.add([first]), 0);
    watch.changed(store.add([second]), 8);
    expect(watch.takeSettled(12)).toEqual([]);
    expect(watch.takeSettled(18)[0]?.spans.size).toBe(2);
  });

  it('gives a trace again when more of it came', () => {
    const { store, watch } = watching();
    const [first, second] = sketchTrace(server('a', [0, 9], server('b', [1, 2]))).spans.values();
    if (first === undefined || second === undefined) throw new Error('two spans were sketched');
    watch.changed(store.add([first]), 0);
    expect(watch.takeSettled(10)).toHaveLength(1);
    watch.changed(store.add([second]), 100);
    expect(watch.takeSettled(110)).toHaveLength(1);
  });

  it('gives up on a trace of which something stays outstanding', () => {
    const { store, watch } = watching();
    watch.changed(store.add([...sketchTrace(sent()).spans.values()]), 0);
    expect(watch.takeSettled(999)).toEqual([]);
    expect(watch.takeSettled(1_000)).toHaveLength(1);
  });

  it('forgets a trace that the store has let go', () => {
    const store = new TraceStore({ traces: 1, spansPerTrace: 10, storeBytes: 1_000_000 });
    const watch = new TraceWatch(store, TIMES);
    const [span] = sketchTrace(server('a', [0, 1])).spans.values();
    if (span === undefined) throw new Error('a span was sketched');
    watch.changed(store.add([span]), 0);
    watch.changed(store.add([{ ...span, traceId: 'b'.repeat(32) }]), 0);
    expect(watch.takeSettled(10).map((trace) => trace.traceId)).toEqual(['b'.repeat(32)]);
  });
});

const QUEUE = { 'messaging.destination.name': 'deliveries' };

function sent(...attempts: Sketch[]): Sketch {
  return { service: 'a', kind: 'producer', at: [0, 10], attributes: QUEUE, children: attempts };
}

function taken(at: [number, number], events: string[] = []): Sketch {
  return { service: 'b', kind: 'consumer', at, attributes: QUEUE, events };
}

function server(service: string, at: [number, number], ...children: Sketch[]): Sketch {
  return { service, kind: 'server', at, children };
}

function outstandingOf(...roots: Sketch[]): string[] {
  return outstanding(buildTree(sketchTrace(...roots)));
}

function outstandingIn(spans: Parameters<TraceStore['add']>[0]): string[] {
  const store = new TraceStore();
  const [traceId = ''] = store.add(spans);
  const trace = store.get(traceId);
  return trace === undefined ? ['the store has no trace'] : outstanding(buildTree(trace));
}

function watching(): { store: TraceStore; watch: TraceWatch } {
  const store = new TraceStore();
  return { store, watch: new TraceWatch(store, TIMES) };
}
