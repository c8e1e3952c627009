// Damages recorded sessions: some bytes changed, dropped, doubled or inserted, the rest as it was, cut in other places than before.
import fc from 'fast-check';

/** Bytes in the order in which they passed, from one side or the other. */
export interface Chunk {
  readonly from: 'client' | 'server';
  readonly bytes: Uint8Array;
}

/** Values at which parsers turn: digits, signs, line ends, lengths with one bit set, all ones. */
const INTERESTING = [0, 1, 2, 0x0a, 0x0d, 0x16, 0x24, 0x2a, 0x2d, 0x30, 0x39, 0x3f, 0x7f, 0x80, 0xfe, 0xff];

const byte = fc.oneof(fc.constantFrom(...INTERESTING), fc.nat(255));
const change = fc.record({
  kind: fc.constantFrom('set', 'set', 'set', 'drop', 'insert', 'double', 'cut'),
  /** Which chunk, and where in it, as shares of what there is. */
  chunk: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  count: fc.integer({ min: 1, max: 16 }),
  byte,
});
type Change = typeof change extends fc.Arbitrary<infer C> ? C : never;

/** A session with up to four changes, or none. */
export function damaged(sessions: readonly (readonly Chunk[])[]): fc.Arbitrary<Chunk[]> {
  return fc
    .tuple(fc.constantFrom(...sessions), fc.array(change, { maxLength: 4 }))
    .map(([session, changes]) => changes.reduce(apply, [...session]));
}

/** Chunks of anything, with a liking for what parsers turn at. */
export function anything(): fc.Arbitrary<Chunk[]> {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.array(byte, { maxLength: 24 }).map((list) => Uint8Array.from(list)),
  );
  const chunk = fc.record({ from: fc.constantFrom('client' as const, 'server' as const), bytes });
  return fc.array(chunk, { maxLength: 8 });
}

/** Cuts every chunk into pieces of these sizes, in turn. */
export function split(chunks: readonly Chunk[], sizes: readonly number[]): Chunk[] {
  let turn = 0;
  return chunks.flatMap(({ from, bytes }) => {
    const pieces: Chunk[] = [];
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(at + (sizes[turn++ % sizes.length] as number), bytes.length);
      pieces.push({ from, bytes: bytes.subarray(at, end) });
      at = end;
    }
    return pieces;
  });
}

/** Sizes of pieces: down to single bytes. */
export const sizes = fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 40 })), {
  minLength: 1,
  maxLength: 6,
});

function apply(chunks: Chunk[], { kind, chunk, at, count, byte: value }: Change): Chunk[] {
  const index = Math.floor(chunk * chunks.length);
  const old = chunks[index];
  if (old === undefined) return chunks;
  const place = Math.floor(at * old.bytes.length);
  const head = old.bytes.subarray(0, place);
  const tail = old.bytes.subarray(place);
  const middle = kind === 'drop' ? [] : kind === 'double' ? [tail.subarray(0, count), tail] : [tail];
  if (kind === 'drop') middle.push(tail.subarray(count));
  if (kind === 'insert') middle.unshift(new Uint8Array(count).fill(value));
  if (kind === 'set' && tail.length > 0) middle[0] = Uint8Array.of(value, ...tail.subarray(1));
  // Cut: as if the connection had ended here.
  if (kind === 'cut') return [...chunks.slice(0, index), { ...old, bytes: head }];
  return chunks.with(index, { ...old, bytes: Buffer.concat([head, ...middle]) });
}
