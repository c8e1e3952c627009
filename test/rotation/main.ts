// `npm run rotate`: two minutes of dynamic credentials that live ten seconds, under load, then Vault sealed and killed.
//   npm run rotate -- [--seconds 120] [--lease 10]
// Exit code 0: no command failed but in the moment in which a Vault that was away revokes what is overdue; no job was lost; no log line held a password.
import { parseArgs } from 'node:util';
import { findTroubles } from './judge.ts';
import { type Phase, rotateUnderLoad } from './rotation.ts';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '120' }, lease: { type: 'string', default: '10' } },
});
const [calmSeconds, leaseSeconds] = [Number(values.seconds), Number(values.lease)];
if (!(calmSeconds >= 1 && leaseSeconds >= 2))
  throw new Error('--seconds must be at least 1, --lease at least 2');

console.log(line('phase', 'seconds', 'answered', 'failed', 'rotations', 'alarm'));
const report = await rotateUnderLoad({ leaseSeconds, calmSeconds, outages: true }, (phase) => {
  console.log(describe(phase));
  for (const [reason, count] of phase.failures) console.log(`    ${count} × ${reason}`);
});
console.log(
  `\n${report.passwords} passwords were in use; ${report.passwordsInLog} stand in the log. ${report.lostJobs} jobs were lost.`,
);
const troubles = findTroubles(report);
for (const trouble of troubles) console.log(`✗ ${trouble}`);
process.exitCode = troubles.length === 0 ? 0 : 1;

function describe({ name, seconds, done, failures, rotations, alarm }: Phase): string {
  const failed = [...failures.values()].reduce((sum, count) => sum + count, 0);
  return line(
    name,
    seconds.toFixed(1),
    String(done),
    String(failed),
    String(rotations),
    alarm ? 'yes' : 'no',
  );
}

function line(name: string, ...cells: string[]): string {
  return `  ${name.padEnd(16)}${cells.map((cell) => cell.padStart(11)).join('')}`;
}
