// `npm run simulate`: each scenario with each of its policies, on virtual time.
//   npm run simulate -- [--seed 1] [--only 'retry storm']
import { parseArgs } from 'node:util';
import { SCENARIOS } from './scenarios.ts';
import { type Result, simulate } from './simulate.ts';

const { values } = parseArgs({
  options: { seed: { type: 'string', default: '1' }, only: { type: 'string' } },
});
const seed = Number(values.seed);
if (!Number.isInteger(seed)) throw new Error(`--seed must be a whole number, not ${values.seed}`);
const names = SCENARIOS.map(({ name }) => name);
if (values.only !== undefined && !names.includes(values.only)) {
  throw new Error(`--only must be one of ${names.join(', ')}, not ${values.only}`);
}

for (const scenario of SCENARIOS) {
  if (values.only !== undefined && values.only !== scenario.name) continue;
  console.log(`\n${scenario.name} (seed ${seed})\n${scenario.story}\n`);
  console.log(line('policy', 'recovered after', 'succeeded', 'failed', 'p99'));
  for (const [name, policy] of Object.entries(scenario.policies)) {
    console.log(describe(name, simulate(scenario, policy, seed), scenario.untilMs - scenario.disturbedMs));
  }
}

function describe(
  name: string,
  { recoveryMs, succeeded, failed, p99Ms }: Result,
  observedMs: number,
): string {
  const recovered = recoveryMs === null ? `not in ${observedMs / 1_000} s` : `${recoveryMs / 1_000} s`;
  return line(name, recovered, String(succeeded), String(failed), `${p99Ms.toFixed(0)} ms`);
}

function line(...[name = '', ...cells]: string[]): string {
  return `  ${name.padEnd(32)}${cells.map((cell) => cell.padStart(16)).join('')}`;
}
