import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BufferPool } from './buffer-pool.ts';
import { ByteQueue } from './byte-queue.ts';

const step = fc.oneof(
  fc.record({ kind: fc.constant('push' as const), size: fc.integer({ min: 0, max: 300_000 }) }),
  fc.record({ kind: fc.constant('drain' as const), size: fc.integer({ min: 0, max: 400_000 }) }),
);

test('what is pushed comes out once and in order, however it is pushed and drained', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const queue = new ByteQueue(new BufferPool());
      let pushed = 0;
      let drained = 0;
      for (const { kind, size } of steps) {
        if (kind === 'push') {
          const source = Buffer.from(Uint8Array.from({ length: size }, (_, i) => (pushed + i) % 251));
          queue.push(source, 0, size);
          // The source is overwritten by the next read.
          source.fill(255);
          pushed += size;
        } else {
          let room = size;
          queue.drain((bytes, start, end) => {
            const count = Math.min(room, end - start);
            for (let i = 0; i < count; i++) if (bytes[start + i] !== (drained + i) % 251) return -1;
            room -= count;
            drained += count;
            return start + count;
          });
        }
        if (queue.length !== pushed - drained) return false;
      }
      return true;
    }),
    { numRuns: 60 },
  );
});

test('a queue that is cleared holds nothing and can be used again', () => {
  const queue = new ByteQueue(new BufferPool());
  queue.push(Buffer.alloc(200_000, 1), 0, 200_000);
  queue.clear();
  expect(queue.length).toBe(0);
  queue.push(Buffer.from('abc'), 0, 3);
  const seen: string[] = [];
  queue.drain((bytes, start, end) => {
    seen.push(bytes.toString('latin1', start, end));
    return end;
  });
  expect(seen).toEqual(['abc']);
});
