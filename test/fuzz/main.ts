// `npm run fuzz`: every target with as many inputs as asked for, from a seed that is printed and can be given again.
//   npm run fuzz -- [--inputs 100000] [--seed 1] [--only redis]
// Ends with 1 when something does not hold, an input takes longer than `HANG_MS`, or memory grows.
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import fc from 'fast-check';
import type { FuzzTarget } from './target.ts';
import { TARGETS } from './targets/index.ts';

interface Job {
  readonly name: string;
  readonly inputs: number;
  readonly seed: number;
  /** Counts inputs where the watching thread can see it. */
  readonly progress: Int32Array;
}

/** One input takes less than a millisecond. */
const HANG_MS = 10_000;
const REPORT_CHARS = 4_000;
/** What may be kept after all inputs of a target: compiled code and the like. */
const KEPT_BYTES = 64 * 1_048_576;

if (isMainThread) await main();
else fuzz(workerData as Job);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      inputs: { type: 'string', default: '100000' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
      only: { type: 'string' },
    },
  });
  const { only } = values;
  const chosen = TARGETS.filter(({ name }) => only === undefined || name === only);
  if (chosen.length === 0) {
    throw new Error(`no target is named "${only}"; there are ${TARGETS.map(({ name }) => name).join(', ')}`);
  }
  let failed = false;
  for (const { name } of chosen) {
    const job = { name, inputs: Number(values.inputs), seed: Number(values.seed), progress: sharedCounter() };
    const failure = await watch(job);
    if (failure !== null) failed = true;
    const verdict = failure === null ? `${job.progress[0]} inputs, all well` : `FAILED: ${failure}`;
    process.stdout.write(`${name} (seed ${job.seed}): ${verdict}\n`);
  }
  process.exitCode = failed ? 1 : 0;
}

function sharedCounter(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4));
}

/** In a thread of its own, so that one that hangs can be told. Returns what went wrong. */
function watch(job: Job): Promise<string | null> {
  const worker = new Worker(new URL(import.meta.url), { workerData: job });
  return new Promise((resolve) => {
    let seen = -1;
    const timer = setInterval(() => {
      if (seen === job.progress[0]) {
        void worker.terminate();
        end(`input ${seen} has not ended after ${HANG_MS} ms`);
      }
      seen = job.progress[0] as number;
    }, HANG_MS);
    const end = (failure: string | null) => {
      clearInterval(timer);
      resolve(failure);
    };
    worker.once('message', end);
    worker.once('error', (error) => end(String(error)));
  });
}

function fuzz({ name, inputs, seed, progress }: Job): void {
  const { input, check } = TARGETS.find((target) => target.name === name) as FuzzTarget;
  const counted = (each: unknown) => {
    progress[0] = (progress[0] as number) + 1;
    check(each);
  };
  // What is compiled and loaded along the way is no growth.
  fc.check(fc.property(input, check), { numRuns: Math.min(inputs, 1_000), seed });
  const before = usedBytes();
  const result = fc.check(fc.property(input, counted), { numRuns: inputs, seed });
  const kept = usedBytes() - before;
  if (result.failed) parentPort?.postMessage(reportOf(result));
  else if (kept > KEPT_BYTES) parentPort?.postMessage(`${kept} bytes are still held after all inputs`);
  else parentPort?.postMessage(null);
}

/** Seed and path lead to the input again; printed whole, it hides the reason. */
function reportOf(result: fc.RunDetails<[unknown]>): string {
  const reason =
    result.errorInstance instanceof Error ? result.errorInstance.stack : String(result.errorInstance);
  return `input ${result.counterexamplePath} of seed ${result.seed}: ${reason}\n${JSON.stringify(result.counterexample).slice(0, REPORT_CHARS)}`;
}

function usedBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}
