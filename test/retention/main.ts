// `npm run retention`: how many of the failed and slow traces are kept whole, of 100,000 requests over five services at a head sample of 1 %,
// and how many Envoy keeps. About four minutes.
//   npm run retention -- [--requests 100000] [--seed 1]
import { parseArgs } from 'node:util';
import { seededRandom } from '../seeded-random.ts';
import { measureEnvoy } from './envoy.ts';
import { type Kept, measureRetention } from './measure.ts';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
  },
});
const requests = Number(values.requests);
const random = seededRandom(Number(values.seed));
const FAILED_SHARE = 0.002;
const result = await measureRetention({
  requests,
  failedShare: FAILED_SHARE,
  slowShare: 0.003,
  headSampleRatio: 0.01,
  random,
});
console.log(`${requests} requests over five services in ${result.seconds.toFixed(0)} s`);
for (const kind of ['failed', 'slow', 'others'] as const) {
  console.log(`  ${kind.padEnd(8)}${describe(result[kind])} are in the collector with every span`);
}
console.log(`  exported: ${percent(result.exportedShare)} of all spans`);
const envoy = await measureEnvoy(requests, FAILED_SHARE, random);
console.log(`Envoy with the same head sample: ${describe(envoy)} of the failed are in the collector`);
const isGood = [result.failed, result.slow].every(({ traces, complete }) => complete >= 0.99 * traces);
process.exitCode = isGood && result.exportedShare <= 0.025 ? 0 : 1;

function describe({ traces, complete }: Kept): string {
  return `${complete} of ${traces} (${percent(complete / traces)})`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
