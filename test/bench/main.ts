// `npm run bench`: the sidecar against Envoy, HAProxy and nginx, in the same run on the same core.
// What is measured and what can be compared: README.md beside this file.
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createAuthority } from '../../mesh/ca/authority.ts';
import { issueSvid } from '../../mesh/ca/issue-svid.ts';
import { pinProcess } from '../parts/part.ts';
import { startBackends } from './backend.ts';
import { listCells, type ScenarioName } from './cells.ts';
import type { Contender } from './contenders/contender.ts';
import { envoy, envoyHttp1 } from './contenders/envoy.ts';
import { haproxy } from './contenders/haproxy.ts';
import { nginx } from './contenders/nginx.ts';
import { TRUST_DOMAIN, tulle, tullePlain, tulleUntraced } from './contenders/tulle.ts';
import { describeMachine } from './machine.ts';
import { renderMisses, renderReport } from './report.ts';
import type { ScenarioResult } from './results.ts';
import { type RunOptions, runScenario } from './scenario.ts';
import { judge } from './targets.ts';

const PROXY_CPU = 0;
const LOAD_CPU = 1;
const CONTENDERS: Contender[] = [tulle, tullePlain, tulleUntraced, envoy, envoyHttp1, haproxy, nginx];
const HEADLINE_ROUNDS = 5;
const OTHER_ROUNDS = 3;
const WARM_UP_SLICES = 8;
const QUICK_WARM_UP_SLICES = 4;
const MAX_ATTEMPTS = 3;
const MAX_PARTS = 32;
const REPORT = join(import.meta.dirname, '../../docs/benchmarks.md');
const USAGE = `Usage: npm run bench -- [options]
  --only <regex>   only the cells whose name matches, like features/get-1k/32/saturated; writes no report
  --rounds <n>     rounds for every cell (default: ${HEADLINE_ROUNDS} for small requests with 32 at once, else ${OTHER_ROUNDS})
  --quick          one short round; writes no report
  --strict         exit with 1 when a target is missed`;

const options = readOptions();
// Ctrl-C runs the exit hooks that stop the servers.
process.once('SIGINT', () => process.exit(130));
await bench();

async function bench(): Promise<void> {
  const { cells } = options;
  if (process.platform !== 'linux' || cpus().length < 2)
    throw new Error('the benchmark needs Linux and two cores');
  // Each server that it started has an exit hook.
  process.setMaxListeners(MAX_PARTS);
  // This process generates load too.
  pinProcess(process.pid, LOAD_CPU);

  const results: ScenarioResult[] = [];
  const backends = await startBackends(LOAD_CPU);
  try {
    const authority = await createAuthority({ trustDomain: TRUST_DOMAIN });
    const workload = (name: string) =>
      issueSvid(authority, { spiffeId: `spiffe://${TRUST_DOMAIN}/ns/bench/sa/${name}` });
    const stage = {
      backendPort: backends.port,
      grpcBackendPort: backends.grpcPort,
      cpu: PROXY_CPU,
      outbound: await workload('client'),
      inbound: await workload('backend'),
    };
    for (const scenario of new Set(cells.map((cell) => cell.scenario))) {
      const own = cells.filter((cell) => cell.scenario === scenario);
      results.push(await runScenario(scenario, own, contendersOf(scenario), stage, options.run));
    }
  } finally {
    await backends.stop();
  }
  await publish(results);
}

async function publish(results: ScenarioResult[]): Promise<void> {
  const report = renderReport(results, await describeMachine(), 'npm run bench');
  console.log(`\n${report}`);
  if (options.isWhole) await writeFile(REPORT, report);
  const misses = renderMisses(judge(results.flatMap(({ cells }) => cells)));
  for (const { scenario, absent } of results) {
    for (const name of absent.keys())
      console.error(`NOT MEASURED: ${name} in ${scenario} could not be started, see above`);
  }
  for (const line of misses) console.error(line);
  if (misses.length > 0 && options.isStrict) process.exitCode = 1;
}

function contendersOf(scenario: ScenarioName): Contender[] {
  return CONTENDERS.filter(({ scenarios }) => scenarios.includes(scenario));
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string' },
        rounds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        strict: { type: 'boolean', default: false },
      },
    });
    const rounds = values.rounds === undefined ? null : Number(values.rounds);
    if (rounds !== null && !(Number.isInteger(rounds) && rounds > 0))
      throw new Error('--rounds takes a whole number');
    const run: RunOptions = {
      durationsOf: ({ load }) => {
        if (values.quick) return { warmUpMs: 200, measureMs: 500 };
        // At a low rate a percentile needs more time to see enough requests.
        return { warmUpMs: 250, measureMs: load === 'saturated' ? 1200 : 1500 };
      },
      roundsOf: (cell) => rounds ?? (values.quick ? 1 : cell.isHeadline ? HEADLINE_ROUNDS : OTHER_ROUNDS),
      maxAttempts: values.quick ? 1 : MAX_ATTEMPTS,
      maxWarmUpSlices: values.quick ? QUICK_WARM_UP_SLICES : WARM_UP_SLICES,
      onProgress: (line) => console.log(line),
    };
    const only = values.only === undefined ? null : new RegExp(values.only);
    const cells = listCells(only);
    if (cells.length === 0) throw new Error(`--only ${values.only} matches no cell`);
    return { run, cells, isStrict: values.strict, isWhole: only === null && !values.quick };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    process.exit(2);
  }
}
