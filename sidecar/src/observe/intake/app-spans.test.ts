import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OBSERVE_LIMITS } from '../limits.ts';
import { KeptTraces } from '../retention/kept-traces.ts';
import { AppSpans } from './app-spans.ts';

const RESOURCE = Buffer.from('resource');
const SCOPE = Buffer.from('scope');

function raw(trace: number, text: Uint8Array) {
  const traceId = Buffer.alloc(16);
  traceId.writeInt32BE(trace, 12);
  return { resource: RESOURCE, scope: SCOPE, span: text, traceId };
}

const text = (spans: { span: Uint8Array }[]) => spans.map(({ span }) => Buffer.from(span).toString());

describe('AppSpans', () => {
  test('is a queue that forgets from its beginning, whatever the sizes', () => {
    const CAPACITY = 4_096;
    const step = fc.record({
      length: fc.integer({ min: 1, max: 1_200 }),
      wanted: fc.boolean(),
      takes: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const spans = new AppSpans(CAPACITY);
        const added: string[] = [];
        let taken = 0;
        for (const [i, { length, wanted, takes }] of steps.entries()) {
          const body = `${i}:`.padEnd(length + 4, 'x');
          added.push(body);
          spans.add(raw(1, Buffer.from(body)), wanted);
          if (takes) taken += spans.take(2).length;
          const held = text(spans.find(0, 0, 0, 1));
          // What is there is the latest, whole and in order.
          expect(held).toEqual(added.slice(added.length - held.length));
          expect(held.length).toBeGreaterThan(0);
          expect(spans.waiting + taken + spans.lost.overwritten).toBe(
            steps.slice(0, i + 1).filter((each) => each.wanted).length,
          );
        }
      }),
    );
  });

  test('lets those wait whose trace is kept, once', () => {
    const spans = new AppSpans(4_096);
    const kept = new KeptTraces(() => 1, 8);
    kept.add(0, 0, 0, 2, 0);
    let told = 0;
    spans.listener = { onWaiting: () => told++, onUrgent: () => {} };
    spans.add(raw(1, Buffer.from('a')), false);
    spans.add(raw(2, Buffer.from('b')), false);
    spans.add(raw(2, Buffer.from('c')), true);
    spans.retain(kept, 0);
    expect(text(spans.take(10))).toEqual(['b', 'c']);
    spans.retain(kept, 0);
    expect([spans.waiting, told]).toEqual([0, 1]);
  });

  test('takes no span that is too large, and none of one origin too many', () => {
    const spans = new AppSpans(1_048_576);
    spans.add(raw(1, Buffer.alloc(OBSERVE_LIMITS.appSpanBytes + 1)), true);
    for (let i = 0; i <= OBSERVE_LIMITS.appOrigins; i++) {
      spans.add({ ...raw(1, Buffer.from('a')), resource: Buffer.from(`r${i}`) }, true);
    }
    expect(spans.lost).toMatchObject({ too_large: 1, origins: 1 });
    expect(spans.waiting).toBe(OBSERVE_LIMITS.appOrigins);
  });
});
