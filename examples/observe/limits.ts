// How long the example waits for what it shows.

export const limits = {
  /** From the first scrape until the fault, so that there is something to compare with. */
  warmUpMs: 12_000,
  /** From the fault until everybody who should be told was told. */
  fireMs: 90_000,
  /** From the end of the fault until they were told that it is over. */
  resolveMs: 120_000,
  lookMs: 100,
};
