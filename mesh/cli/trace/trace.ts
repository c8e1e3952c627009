import type { Span } from './span.ts';

/** The spans of one trace, by their ids: one that is reported twice counts once. */
export type Trace = {
  readonly traceId: string;
  readonly spans: ReadonlyMap<string, Span>;
  /** Spans that were left out because the trace was at its bound. */
  readonly dropped: number;
};
