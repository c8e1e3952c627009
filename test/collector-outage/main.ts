// `npm run outage`: a million requests, each with a span to be exported, most of them while the collector does not answer or is dead. About two minutes.
//   npm run outage -- [--requests 1000000]
// Exit code 0: memory has not grown while it was away. A request that is not answered as it should ends the run with an error.
import { parseArgs } from 'node:util';
import { allowedGrowth, growthOf, measureOutage, type Phase } from './outage.ts';

const { values } = parseArgs({ options: { requests: { type: 'string', default: '1000000' } } });
const tenth = Number(values.requests) / 10;
if (!(tenth >= 1)) throw new Error('--requests must be at least 10');

console.log(line('phase', 'requests', 'recorded', 'exported', 'dropped', 'waiting', 'RSS MB'));
const outage = await measureOutage({
  ...{ there: tenth, warmUp: tenth, stopped: 4 * tenth, dead: 4 * tenth },
  onPhase: (phase) => console.log(describe(phase)),
});
const { bytes, requests } = growthOf(outage);
const isFlat = bytes < allowedGrowth(outage);
console.log(
  `\n${isFlat ? '✓' : '✗'} ${requests} requests without a collector: no failed one, ${megabytes(bytes)} MB more memory`,
);
process.exitCode = isFlat ? 0 : 1;

function describe({ name, requests, recorded, exported, dropped, waiting, rssBytes }: Phase): string {
  return line(name, ...[requests, recorded, exported, dropped, waiting].map(String), megabytes(rssBytes));
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

function line(name: string, ...cells: string[]): string {
  return `  ${name.padEnd(10)}${cells.map((cell) => cell.padStart(10)).join('')}`;
}
