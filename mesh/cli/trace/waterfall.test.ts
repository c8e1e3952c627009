import { describe, expect, it } from 'vitest';
import { type Sketch, sketchCall, sketchTrace } from './hand-built-trace.fixture.ts';
import { paintFor, plainPaint } from './paint.ts';
import type { Trace } from './trace.ts';
import { drawWaterfall } from './waterfall.ts';

describe('drawWaterfall', () => {
  it('shows a failure deep inside, behind a queue, with its attempts folded', () => {
    expect(draw(failingRun())).toMatchInlineSnapshot(`
      "✗ POST /v1/workflows/order-placed/runs                   answered 202 in 16.0 ms, all done in 322 ms
        died in receiver: POST /hooks/fail answered 500; 3 attempts; dead-lettered
        request  req-1
        trace    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        time     retry waits 222 ms · services 69.0 ms · queue 18.0 ms · sidecars + network 13.0 ms

        SERVICE            HOP         ASKED FOR                       0                   322 ms     TOOK
        gateway            sidecar in  POST /v1/work…-placed/runs  202 ━╸                          16.0 ms
                           └ plain HTTP, no mTLS · head 0.05 ms · upstream 16.0 ms
                           service in  "                           202 █                           14.0 ms
                           job sent    deliveries                      ▐                           4.00 ms
        bullmq             in queue    "                                ┄┄                         18.0 ms
        dispatcher         job taken   deliveries try 1/3         ✗err   ▐█                        24.0 ms
                           job taken   deliveries try 2/3         ✗err             ██              24.0 ms
                           job taken   deliveries try 3/3         ✗err                         ██  24.0 ms
                           service out POST /hooks/fail           ✗500                         ██  20.0 ms
                           sidecar out "                          ✗500                         ╺━  18.0 ms
                           └ mTLS to ns/demo/sa/receiver · pool 0.02 ms · upstream 18.0 ms
        receiver           sidecar in  "                          ✗500                         ╺╸  16.0 ms
                           └ mTLS from ns/demo/sa/dispatcher · head 0.05 ms · upstream 16.0 ms
                           service in  "                          ✗500                         ▐▌  14.0 ms
                           └ it died here"
    `);
  });

  it('says when spans lack their parents', () => {
    const trace = sketchTrace(sketchCall('gateway', 'worker', '/runs', 200, [0, 20]));
    const spans = [...trace.spans].filter(
      ([, { service, component }]) => service !== 'gateway' || component !== 'sidecar',
    );
    expect(draw({ ...trace, spans: new Map(spans), dropped: 3 })).toMatchInlineSnapshot(`
      "✓ POST /runs                                            answered 200 in 20.0 ms, all done in 20.0 ms
        every hop succeeded, through 2 services
        request  req-1
        trace    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        time     services 18.0 ms · sidecars + network 2.00 ms

        SERVICE            HOP         ASKED FOR                       0                  20.0 ms     TOOK
        gateway            service out POST /runs                  200 ██████████████████████████  20.0 ms
        worker             sidecar in  "                           200   ╺━━━━━━━━━━━━━━━━━━━━╸    16.0 ms
                           └ mTLS from ns/demo/sa/gateway · head 0.05 ms · upstream 16.0 ms
                           service in  "                           200     ██████████████████      14.0 ms
        note: 1 of 3 spans name a parent that never came
        note: 3 more spans were left out: the trace is at its limit"
    `);
  });

  it('moves a service whose clock is wrong to where it must have been, and says so', () => {
    const sidecar: Sketch = { service: 'worker', kind: 'server', sidecar: true, at: [4_010, 4_020] };
    const late: Sketch = { service: 'gateway', kind: 'client', at: [0, 40], children: [sidecar] };
    expect(draw(sketchTrace(late))).toMatchInlineSnapshot(`
      "✓ work                                                                           all done in 40.0 ms
        every hop succeeded, through 2 services
        request  no span told its id
        trace    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        time     services 30.0 ms · sidecars + network 10.0 ms

        SERVICE            HOP         ASKED FOR                       0                  40.0 ms     TOOK
        gateway            service out work                            ██████████████████████████  40.0 ms
        worker             sidecar in  "                                                  ╺━━━━━━  10.0 ms
                           └ plain HTTP, no mTLS
        note: clocks differ by up to 3.98 s; spans were moved to fit their parents"
    `);
  });

  it('draws a trace of one span that took no time', () => {
    const trace = sketchTrace({ service: 'gateway', kind: 'server', at: [0, 0] });
    expect(draw(trace)).toMatchInlineSnapshot(`
      "✓ work                                                                           all done in 0.00 ms
        every hop succeeded, through 1 service
        request  no span told its id
        trace    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        time     none

        SERVICE            HOP         ASKED FOR                       0                  0.00 ms     TOOK
        gateway            service in  work                            ▌                           0.00 ms"
    `);
  });

  it('keeps every line within the width and says the same at any width', () => {
    for (const width of [80, 100, 120]) {
      const lines = drawWaterfall(failingRun(), { width, paint: plainPaint });
      expect(lines.filter((line) => line.length > width)).toEqual([]);
      expect(lines.join('\n')).toContain('it died here');
    }
  });

  it('paints without moving a column', () => {
    const paint = paintFor({ isTTY: true, hasColors: () => true });
    const painted = drawWaterfall(failingRun(), { width: 100, paint });
    expect(painted.join('\n')).toContain('\u001b[31m');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be taken out
    expect(painted.map((line) => line.replace(/\u001b\[\d+m/g, '')).join('\n')).toBe(draw(failingRun()));
  });
});

describe('paintFor', () => {
  it('paints only on a terminal that has colours', () => {
    const says = (stream: Parameters<typeof paintFor>[0]) => paintFor(stream)('red', 'x');
    expect(says({ isTTY: true, hasColors: () => true })).not.toBe('x');
    expect(says({ isTTY: true, hasColors: () => false })).toBe('x');
    expect(says({})).toBe('x');
  });
});

function failingRun(): Trace {
  const queue = { 'messaging.system': 'bullmq', 'messaging.destination.name': 'deliveries' };
  const attempt = (from: number, events: string[]): Sketch => ({
    service: 'dispatcher',
    kind: 'consumer',
    at: [from, from + 24],
    name: 'process deliveries',
    error: 'receiver answered 500',
    attributes: queue,
    events,
    children: [sketchCall('dispatcher', 'receiver', '/hooks/fail', 500, [from + 2, from + 22])],
  });
  const sent: Sketch = {
    service: 'gateway',
    kind: 'producer',
    at: [8, 12],
    name: 'send deliveries',
    attributes: queue,
    children: [
      attempt(30, ['retry scheduled']),
      attempt(150, ['retry scheduled']),
      attempt(300, ['gave up']),
    ],
  };
  const edge = sketchCall('client', 'gateway', '/v1/workflows/order-placed/runs', 202, [0, 20], [sent]);
  // What the client and its sidecar would say is not there: the edge is the root.
  const inbound = edge.children?.[0]?.children?.[0] as Sketch;
  delete inbound.attributes?.['tulle.peer.identity'];
  return sketchTrace({
    ...inbound,
    attributes: { ...inbound.attributes, 'network.peer.address': '127.0.0.1' },
  });
}

function draw(trace: Trace): string {
  return drawWaterfall(trace, { width: 100, paint: plainPaint }).join('\n');
}
