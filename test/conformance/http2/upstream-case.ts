// A case of the upstream side: what an endpoint of HTTP/2 does with a request, and what must come of it at the client.
import { FLAG_END_STREAM } from '../../../sidecar/src/protocol/http2/frame.ts';
import { data, type Field, headers } from '../../../sidecar/src/protocol/http2/raw-peer.fixture.ts';
import type { SeenRequest } from '../../../sidecar/src/protocol/http2/upstream.fixture.ts';

export interface UpstreamCase {
  /** Stable: reports may name it. */
  readonly id: string;
  /** The rule or the attack. */
  readonly why: string;
  readonly method?: string;
  readonly body?: string;
  /** In place of empty settings, on each connection; null is silence. */
  readonly opening?: Buffer | null;
  /** `attempt` counts the requests of the case, from 1. */
  serve(request: SeenRequest, attempt: number): void;
  readonly expect: UpstreamExpectation;
}

export interface UpstreamExpectation {
  readonly status: number;
  /** Code of the failure that the exchange is observed with; none when it succeeds. */
  readonly failure?: string;
  /** How often the endpoint gets the request; once, unless it did nothing for it. */
  readonly requests?: number;
  readonly body?: string;
  /** The response breaks off, visibly. */
  readonly broken?: boolean;
  /** What the endpoint is told: its stream is reset, or its connection ends, with one of these codes. */
  readonly reset?: readonly number[];
  readonly goaway?: readonly number[];
  readonly interim?: readonly number[];
  readonly trailers?: Readonly<Record<string, string>>;
}

export const OK: Field[] = [[':status', '200']];

/** Sends these frames for the request's stream. */
export function sends(frames: (streamId: number) => readonly Buffer[]): UpstreamCase['serve'] {
  return ({ peer, streamId }) => peer.send(...frames(streamId));
}

export function respond(fields: readonly Field[], body: string | null = null): UpstreamCase['serve'] {
  return sends((id) =>
    body === null
      ? [headers(id, fields, FLAG_END_STREAM)]
      : [headers(id, fields), data(id, body, FLAG_END_STREAM)],
  );
}
