// Every bound of the demo, in one place. The demo stays up for as long as its user wants, and anything on loopback may send
// spans to it: whatever it keeps needs a ceiling.

export const limits = {
  /** Traces kept; the oldest leaves first. */
  traces: 200,
  /** Spans kept of one trace; later ones are counted and dropped. */
  spansPerTrace: 500,
  /** Estimated bytes of all kept spans. */
  storeBytes: 8 * 1024 * 1024,
  /** Attributes and events kept of one span, and characters kept of one value. */
  attributesPerSpan: 64,
  eventsPerSpan: 16,
  attributeChars: 1024,
  /** One OTLP request. */
  exportBytes: 4 * 1024 * 1024,
  /** Last output lines kept of each child process, and characters kept of a line. */
  outputLines: 20,
  outputLineChars: 400,
  /** A child that has not said "ready" by then has failed. */
  readyMs: 30_000,
  /** All children together get this long to drain, then they are killed. */
  stopMs: 8_000,
  /** A trace counts as complete when no span came for this long and every parent is there. */
  quietMs: 1_200,
  /** … and is explained as it is after this long. */
  settleMs: 25_000,
  /** How often to look whether a trace has settled. */
  lookMs: 100,
  /** One HTTP request of the demo's own client. */
  requestMs: 10_000,
};
