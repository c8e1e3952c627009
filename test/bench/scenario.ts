// Runs all contenders of one scenario side by side: started together, measured in turns, cell by cell, round by round.
//
// Interleaving makes the comparison robust: whatever slows the machine down for some seconds hits neighbours alike. The
// order rotates from round to round, so that nobody always follows the same neighbour. Cells that differ in concurrency or in the
// size of answers get fresh processes: memory once taken for large answers would show in all later cells.
import type { Cell, ScenarioName } from './cells.ts';
import type { Contender, RunningContender, Stage } from './contenders/contender.ts';
import { Evidence } from './evidence.ts';
import {
  type Durations,
  isLarge,
  MAX_DISTURBANCE,
  measure,
  measureUndisturbed,
  type Sample,
} from './measurement.ts';
import type { CellResult, Outcome, ScenarioResult } from './results.ts';
import { type MeasureSlice, warmUp } from './warm-up.ts';

export interface RunOptions {
  durationsOf: (cell: Cell) => Durations;
  roundsOf: (cell: Cell) => number;
  maxWarmUpSlices: number;
  /** How often a measurement is made while others disturb it. */
  maxAttempts: number;
  onProgress: (line: string) => void;
}

export interface Running {
  name: string;
  contender: RunningContender;
}

const WARM_UP_SLICE: Durations = { warmUpMs: 250, measureMs: 750 };

export async function runScenario(
  scenario: ScenarioName,
  cells: Cell[],
  contenders: Contender[],
  stage: Stage,
  options: RunOptions,
): Promise<ScenarioResult> {
  const names = contenders.map(({ name }) => name);
  const result: ScenarioResult = {
    scenario,
    cells: cells.map((cell) => ({ cell, outcomes: new Map(names.map((name) => [name, noOutcome()])) })),
    evidence: new Map(names.map((name) => [name, new Evidence()])),
    absent: new Map(),
    notes: [],
  };
  const groups = Map.groupBy(result.cells, ({ cell }) => `${cell.concurrency} ${isLarge(cell)}`);
  for (const group of groups.values()) {
    const present = contenders.filter(({ name }) => !result.absent.has(name));
    const running = await startAll(present, stage, result, options);
    try {
      await warmUpGroup(running, group, result, stage, options);
      await runRounds(running, group, result, stage, options);
    } finally {
      await Promise.allSettled(running.map(({ contender }) => contender.stop()));
    }
    for (const { name, contender } of running) result.evidence.get(name)?.finish(contender);
  }
  failGaps(result);
  return result;
}

async function startAll(
  contenders: Contender[],
  stage: Stage,
  result: ScenarioResult,
  options: RunOptions,
): Promise<Running[]> {
  const running: Running[] = [];
  for (const { name, start } of contenders) {
    try {
      running.push({ name, contender: await start(result.scenario, stage) });
    } catch (error) {
      result.absent.set(name, messageOf(error));
      options.onProgress(`${result.scenario}: ${name} could not be started: ${messageOf(error)}`);
    }
  }
  return running;
}

async function warmUpGroup(
  running: Running[],
  group: CellResult[],
  { evidence, notes }: ScenarioResult,
  stage: Stage,
  options: RunOptions,
): Promise<void> {
  const measureSlice: MeasureSlice = async ({ name, contender }, { cell }) => {
    const slice = measure({ ...cell, load: 'saturated' }, contender, WARM_UP_SLICE, stage.cpu);
    const sample = await slice.catch((error) => {
      options.onProgress(`warm-up of ${name} for ${cell.name} failed: ${firstLine(messageOf(error))}`);
      return null;
    });
    await evidence.get(name)?.collect(contender, sample?.answered ?? 0);
    return sample?.cpuMicros ?? null;
  };
  const workloads = new Map(group.map((result) => [result.cell.workload, result]));
  const unsettled = await warmUp(running, [...workloads.values()], measureSlice, {
    maxSlices: options.maxWarmUpSlices,
    onProgress: options.onProgress,
  });
  const { concurrency } = (group[0] as CellResult).cell;
  const cells = `${[...workloads.keys()].map(({ name }) => name).join(', ')} with ${concurrency}`;
  for (const name of unsettled) {
    notes.push(
      `${name} was still getting cheaper at the end of its warm-up (${cells}): its CPU is an upper bound`,
    );
  }
}

async function runRounds(
  running: Running[],
  group: CellResult[],
  { evidence }: ScenarioResult,
  stage: Stage,
  options: RunOptions,
): Promise<void> {
  const rounds = Math.max(...group.map(({ cell }) => options.roundsOf(cell)));
  for (let round = 0; round < rounds; round++) {
    for (const { cell, outcomes } of group) {
      if (round >= options.roundsOf(cell)) continue;
      const durations = options.durationsOf(cell);
      const line: string[] = [];
      for (const { name, contender } of rotate(running, round)) {
        const outcome = outcomes.get(name) as Outcome;
        try {
          const sample = await measureUndisturbed(options.maxAttempts, async () => {
            const attempt = await measure(cell, contender, durations, stage.cpu);
            await evidence.get(name)?.collect(contender, attempt.answered);
            return attempt;
          });
          outcome.samples.push(sample);
          line.push(`${name} ${describe(sample)}`);
        } catch (error) {
          outcome.samples.push(null);
          outcome.failures.push(`round ${round + 1}: ${messageOf(error)}`);
          line.push(`${name} FAILED (${firstLine(messageOf(error))})`);
        }
      }
      options.onProgress(`${cell.name} round ${round + 1}: ${line.join(', ')}`);
    }
  }
}

/** A contender that did not do what it was configured to do is not comparable in any cell. */
function failGaps({ cells, evidence }: ScenarioResult): void {
  for (const [name, facts] of evidence) {
    const gap = facts.findGap();
    if (gap === null) continue;
    for (const { outcomes } of cells) outcomes.get(name)?.failures.push(gap);
  }
}

function rotate<T>(items: T[], by: number): T[] {
  const start = by % Math.max(1, items.length);
  return [...items.slice(start), ...items.slice(0, start)];
}

function describe(sample: Sample): string {
  const disturbed = sample.disturbance > MAX_DISTURBANCE ? ', disturbed' : '';
  return `${sample.cpuMicros.toFixed(1)} us (${(sample.utilisation * 100).toFixed(0)} %${disturbed})`;
}

function noOutcome(): Outcome {
  return { samples: [], failures: [] };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function firstLine(text: string): string {
  return text.slice(0, text.search(/[\r\n]|$/));
}
