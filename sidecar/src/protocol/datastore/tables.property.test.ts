// The two tables behind all taps, against plain models of them.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BoundedNames, ByteMap, OTHER_NAME } from './byte-map.ts';
import { InFlight, type PendingCommand } from './in-flight.ts';

it('a byte map finds what was added, by bytes anywhere in a buffer, until it is full', () => {
  const keys = fc.uniqueArray(fc.string({ maxLength: 6 }), { maxLength: 80 });
  fc.assert(
    fc.property(keys, fc.integer({ min: 1, max: 100 }), (names, limit) => {
      const map = new ByteMap<number>(limit);
      const model = new Map<string, number>();
      for (const [i, name] of names.entries()) {
        const { bytes, start, end } = inBuffer(name);
        expect(map.get(bytes, start, end)).toBeUndefined();
        expect(map.add(bytes, start, end, i)).toBe(i < limit);
        if (i < limit) model.set(name, i);
        // The map must not depend on the buffer that a key lay in.
        bytes.fill(0);
      }
      for (const name of names) {
        const { bytes, start, end } = inBuffer(name);
        expect(map.get(bytes, start, end)).toBe(model.get(name));
      }
      expect(map.size).toBe(model.size);
    }),
  );
});

it('names beyond the bound read alike, those before keep theirs', () => {
  const names = new BoundedNames(2);
  const nameOf = (text: string) => names.nameOf(Buffer.from(text), 0, Buffer.byteLength(text));
  expect(['a', 'ü', 'c', 'a', 'd', 'ü'].map(nameOf)).toEqual(['a', 'ü', OTHER_NAME, 'a', OTHER_NAME, 'ü']);
});

it('commands in flight leave in their order, or by id, whatever the room was before', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('push' as const), count: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ kind: fc.constant('answer' as const), count: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ kind: fc.constant('find' as const), count: fc.nat(30) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.constantFrom(8, 64, 512), (steps, limit) => {
      const inFlight = new InFlight(limit);
      // What waits, and what was answered behind something that still waits.
      let model: { id: number; answered: boolean }[] = [];
      let next = 0;
      const settle = (entry: PendingCommand) => {
        inFlight.settle(entry);
        model = model.map((each) => (each.id === entry.id ? { ...each, answered: true } : each));
        while (model[0]?.answered) model.shift();
      };
      for (const { kind, count } of steps) {
        for (let i = 0; i < (kind === 'find' ? 1 : count); i++) {
          if (kind === 'push') {
            const entry = inFlight.push();
            expect(entry === null).toBe(model.length === limit);
            if (entry === null) break;
            entry.id = next;
            model.push({ id: next++, answered: false });
          } else {
            const id = kind === 'find' ? (model[count]?.id ?? -1) : (model[0]?.id ?? -1);
            const entry = kind === 'find' ? inFlight.find(id) : inFlight.head;
            const waits = model.some((each) => each.id === id && !each.answered);
            expect(entry?.id).toBe(waits ? id : undefined);
            if (entry !== null) settle(entry);
          }
        }
      }
      const left: number[] = [];
      inFlight.forEach(({ id }) => {
        left.push(id);
      });
      expect(left).toEqual(model.filter(({ answered }) => !answered).map(({ id }) => id));
    }),
  );
});

function inBuffer(text: string): { bytes: Buffer; start: number; end: number } {
  const bytes = Buffer.from(`##${text}##`);
  return { bytes, start: 2, end: bytes.length - 2 };
}
