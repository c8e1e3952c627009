// Times a piece of code alone: the median of some rounds, and their spread.
const ROUNDS = 7;
const ROUND_MS = 250;

/** Prints nanoseconds a run, or one of the `parts` of a run. `run` says whether it did its work. */
export function report(name: string, run: () => boolean, parts = 1): void {
  const rounds = Array.from({ length: ROUNDS }, () => measure(name, run) / parts).sort((a, b) => a - b);
  const median = rounds[ROUNDS >> 1] as number;
  const spread = `${Math.round(rounds[0] as number)} to ${Math.round(rounds[ROUNDS - 1] as number)}`;
  process.stdout.write(`${name.padEnd(44)} ${Math.round(median).toString().padStart(7)} ns  (${spread})\n`);
}

function measure(name: string, run: () => boolean): number {
  const startMs = performance.now();
  let count = 0;
  for (;;) {
    for (let i = 0; i < 1_000; i++) if (!run()) throw new Error(`${name}: not read to its end`);
    count += 1_000;
    const elapsedMs = performance.now() - startMs;
    if (elapsedMs >= ROUND_MS) return (elapsedMs * 1e6) / count;
  }
}
