// `npm run rotate:root`: five whole rotations of the root under load, about three minutes.
//   npm run rotate:root -- [--rotations 5] [--lifetime 10]
// Exit code 0: no request failed, and everything is signed by a root that was not there before.
import { parseArgs } from 'node:util';
import { rotateUnderLoad } from './measure.ts';

const { values } = parseArgs({
  options: { rotations: { type: 'string', default: '5' }, lifetime: { type: 'string', default: '10' } },
});
const [rotations, svidTtlSeconds] = [Number(values.rotations), Number(values.lifetime)];
if (!(rotations >= 1 && svidTtlSeconds >= 4))
  throw new Error('--rotations must be at least 1, --lifetime at least 4 (seconds)');

const report = await rotateUnderLoad({ rotations, svidTtlSeconds }, (step, seconds) =>
  console.log(`  ${seconds.toFixed(1).padStart(7)} s  ${step}`),
);
const { flows, roots, signers, kept, troubles, seconds } = report;
let failed = 0;
for (const { name, answered, failures } of flows) {
  const count = [...failures.values()].reduce((sum, each) => sum + each, 0);
  failed += count;
  console.log(
    `${name.padEnd(42)}${String(answered).padStart(8)} answered${String(count).padStart(6)} failed`,
  );
  for (const [reason, times] of failures) console.log(`    ${times} × ${reason}`);
}
const answered = flows.reduce((sum, flow) => sum + flow.answered, 0);
console.log(
  `\n${answered + failed} requests in ${seconds.toFixed(0)} s over ${rotations} rotations, certificates of ${svidTtlSeconds} s: ${failed} failed`,
);
console.log(`trusted, one after the other: ${roots.join(', ')}`);
for (const trouble of troubles) console.log(`✗ ${trouble}`);
const isNew =
  signers.size === 1 && signers.has(roots.at(-1) as string) && new Set(roots).size === rotations + 1;
if (!isNew) console.log(`✗ signed at the end by ${[...signers].join(', ')}`);
if (kept > 0) console.log(`✗ ${kept} certificates of the beginning are in use`);
process.exitCode = failed === 0 && troubles.length === 0 && isNew && kept === 0 ? 0 : 1;
