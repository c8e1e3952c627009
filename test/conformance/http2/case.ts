// A case of HTTP/2: frames that a client sends on a fresh connection behind its preface and settings, and what must come of them.

import { FLAG_END_STREAM } from '../../../sidecar/src/protocol/http2/frame.ts';
import { type Field, frame, headers } from '../../../sidecar/src/protocol/http2/raw-peer.fixture.ts';

export interface DownstreamCase {
  /** Stable: reports may name it. */
  readonly id: string;
  /** The rule or the attack. */
  readonly why: string;
  readonly send: readonly Buffer[];
  /** In place of preface and empty settings. */
  readonly opening?: Buffer;
  readonly expect: Expectation;
}

export interface Expectation {
  /** The connection ends with one of these codes; otherwise it stays open and serves one request more. */
  readonly goaway?: readonly number[];
  /** Streams that are reset, and the codes that will do. */
  readonly resets?: Readonly<Record<number, readonly number[]>>;
  /** Streams that are answered. */
  readonly statuses?: Readonly<Record<number, number>>;
  /** Requests that the origin gets. */
  readonly forwarded: number;
  /** Where an error ends what came before it, how many they may be. */
  readonly atMost?: number;
  /** Of the first request that the origin gets: its target, fields by lower-case name (null: absent) and body. */
  readonly request?: {
    readonly target?: string;
    readonly method?: string;
    readonly fields?: Readonly<Record<string, string | null>>;
    readonly body?: string;
  };
}

/** The connection ends; nothing of the case is forwarded, or `forwarded` requests that came before. */
export function connectionError(code: number | readonly number[], forwarded = 0): Expectation {
  return { goaway: typeof code === 'number' ? [code] : code, forwarded };
}

/** Stream 1 is reset; the connection goes on. */
export function streamError(code: number | readonly number[], forwarded = 0): Expectation {
  return { resets: { 1: typeof code === 'number' ? [code] : code }, forwarded };
}

/** Stream 1 is answered, by the origin or, with `forwarded` 0, in its place. */
export function answered(
  status = 200,
  forwarded = status === 200 ? 1 : 0,
  seen: NonNullable<Expectation['request']> = {},
): Expectation {
  return { statuses: { 1: status }, forwarded, request: seen };
}

export const PSEUDO: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'a.test'],
];

/** Pseudo-headers of a GET, changed or left out (null). */
export function pseudo(changes: Readonly<Record<string, string | null>>): Field[] {
  const fields = PSEUDO.map(([name, value]): [string, string | null] => [
    name,
    name in changes ? (changes[name] as string | null) : value,
  ]);
  const added = Object.entries(changes).filter(([name]) => !PSEUDO.some(([known]) => known === name));
  return [...fields, ...added].filter((field): field is Field => field[1] !== null);
}

/** A whole GET. */
export function get(streamId = 1, fields: readonly Field[] = [], changes = {}): Buffer {
  return headers(streamId, [...pseudo(changes), ...fields], FLAG_END_STREAM);
}

/** A POST whose body is to come. */
export function post(streamId = 1, fields: readonly Field[] = []): Buffer {
  return headers(streamId, [...pseudo({ ':method': 'POST' }), ...fields]);
}

export function raw(type: number, flags: number, streamId: number, hex: string): Buffer {
  return frame(type, flags, streamId, Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}
