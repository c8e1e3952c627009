// The parsers beside connections to Redis, MongoDB and Kafka. Whatever passes: no crash, nothing that depends on how bytes are cut, no
// more commands than bytes could hold, and once a tap is off it stays off.
import { deepStrictEqual, ok } from 'node:assert/strict';
import fc from 'fast-check';
import type { DataStoreProtocol } from '../../../sidecar/src/observe/datastore.ts';
import { createDataStoreTap } from '../../../sidecar/src/protocol/datastore/create-tap.ts';
import {
  CollectingObserver,
  outcome,
  play,
} from '../../../sidecar/src/protocol/datastore/session.fixture.ts';
import { anything, type Chunk, damaged, sizes, split } from '../mutation.ts';
import { readSessions } from '../recorded.ts';
import { fuzzTarget } from '../target.ts';

/** No command and its answer are shorter: an inline `a` and LF, and `+` with its line end. */
const LEAST_BYTES = 2;

export const targets = (['redis', 'mongo', 'kafka'] as const).map((protocol) =>
  fuzzTarget({
    name: protocol,
    input: fc.tuple(fc.oneof({ weight: 3, arbitrary: damaged(readSessions(protocol)) }, anything()), sizes),
    check: ([chunks, pieces]: [Chunk[], number[]]) => check(protocol, chunks, pieces),
  }),
);

function check(protocol: DataStoreProtocol, chunks: readonly Chunk[], pieces: readonly number[]): void {
  const whole = watch(protocol, chunks);
  ok(!whole.desyncs.includes('internal_error'), 'a parser threw');
  ok(whole.desyncs.length <= 1, 'a tap turned itself off twice');
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0);
  ok(whole.commands.length * LEAST_BYTES <= bytes, 'more commands were seen than there can have been');
  deepStrictEqual(outcome(watch(protocol, split(chunks, pieces))), outcome(whole));
}

function watch(protocol: DataStoreProtocol, chunks: readonly Chunk[]): CollectingObserver {
  const observer = new CollectingObserver();
  play(createDataStoreTap(protocol, observer, { endpoint: 'store:1', keyPrefixes: true }), chunks);
  return observer;
}
