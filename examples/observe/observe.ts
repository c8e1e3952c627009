import { setTimeout as sleep } from 'node:timers/promises';
import { SIGINT_CODE, watchForEnd } from '../demo/ending.ts';
import { FAULTS, type Fault } from './faults.ts';
import { limits } from './limits.ts';
import { ObservedDemo } from './observed-demo.ts';
import { Screen } from './screen.ts';

// The example from start to end. Returns the exit code.
// Invariant: however it ends, the fault is undone and everything is stopped before it returns.

export async function observe(options: { fault: string | null; once: boolean }): Promise<number> {
  const ending = watchForEnd();
  const screen = new Screen();
  const fault = options.fault === null ? null : (FAULTS[options.fault] as Fault);
  const demo = new ObservedDemo(screen, fault, ending.fail);
  let code: number;
  try {
    code = await Promise.race([play(demo, screen, fault, options.once), ending.reached]);
  } catch (error) {
    screen.say(`Failed: ${error instanceof Error ? error.message : String(error)}`);
    code = 1;
  }
  await demo.stop();
  return code === SIGINT_CODE && !options.once ? 0 : code;
}

async function play(demo: ObservedDemo, screen: Screen, fault: Fault | null, once: boolean): Promise<number> {
  screen.banner();
  await demo.start();
  if (fault !== null) {
    await sleep(limits.warmUpMs);
    screen.step(`Fault: ${fault.title}. Expected: ${fault.alert}, told to ${fault.told.join(', ')}.`);
    const undo = await demo.inject(fault);
    await until(() => everybodyTold(demo, fault, false), limits.fireMs, 'were told');
    screen.step('All of them know. The fault is undone.');
    await undo();
    await until(() => everybodyTold(demo, fault, true), limits.resolveMs, 'heard of the end');
    const wrong = demo.whoWasToldOf(fault.alert, false).filter((who) => !fault.told.includes(who));
    if (wrong.length > 0) throw new Error(`${fault.alert} was also told to ${wrong.join(', ')}`);
    screen.step('All of them know that it is over.');
    if (once) return 0;
  }
  screen.say('It stays up, and tells what changes. Ctrl-C ends it.');
  return new Promise(() => {});
}

function everybodyTold(demo: ObservedDemo, { alert, told }: Fault, isResolved: boolean): string[] {
  const who = demo.whoWasToldOf(alert, isResolved);
  return told.filter((each) => !who.includes(each));
}

/** `missing` is empty when it is done. */
async function until(missing: () => string[], patienceMs: number, what: string): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  while (missing().length > 0) {
    if (performance.now() > deadlineMs)
      throw new Error(`within ${patienceMs / 1_000} s not all ${what}: ${missing().join(', ')} did not`);
    await sleep(limits.lookMs);
  }
}
