/**
 * Every bound of the preload, by name. Characters, or milliseconds.
 */
export const LIMITS = {
  /** Of a field that is handed on; a longer one is not. Together they leave room for others in the 16 KB that Node takes as a head. */
  traceparentChars: 256,
  tracestateChars: 1_024,
  baggageChars: 8_192,
  requestIdChars: 256,
  /** From the end of a response: what runs on for longer was hardly for that request alone. */
  contextMs: 60_000,
} as const;
