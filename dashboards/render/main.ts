/**
 * Draws every dashboard: `node main.ts [--prometheus URL] [--out FOLDER] [--minutes N]`. Without a URL it starts the observed mesh and waits until it has
 * something to show.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ObservedMesh } from '../../test/observability/observed-mesh.ts';
import { askPrometheus } from '../../test/parts/prometheus.ts';
import { DASHBOARDS } from '../src/index.ts';
import { drawPicture, EVERYTHING } from './draw.ts';
import { observedRules } from './observed-rules.ts';
import type { Ask } from './panel-data.ts';

const { values: options } = parseArgs({
  options: {
    prometheus: { type: 'string' },
    out: { type: 'string', default: 'docs/dashboards' },
    minutes: { type: 'string', default: '4' },
  },
});
const minutes = Number(options.minutes);
if (!(minutes > 0 && minutes <= 1_440)) {
  process.stderr.write(`--minutes must be a number from 1 to 1440, not "${options.minutes}"\n`);
  process.exit(2);
}

if (options.prometheus !== undefined) {
  const url = options.prometheus.replace(/\/$/, '');
  await drawAll((path, parameters) => askPrometheus(url, path, parameters));
} else {
  const observed = await ObservedMesh.open({ rules: await observedRules() });
  try {
    await observed.settled();
    await sleep(minutes * 60_000);
    await drawAll((path, parameters) => observed.prometheus.query(path, parameters));
  } finally {
    await observed.close();
  }
}

async function drawAll(ask: Ask): Promise<void> {
  const end = Date.now() / 1_000;
  const span = { start: end - minutes * 60, end };
  for (const dashboard of DASHBOARDS) {
    const { withoutData } = await drawPicture(dashboard, options.out, ask, { span, values: EVERYTHING });
    const nothing = withoutData.length === 0 ? '' : `; without data: ${withoutData.join(', ')}`;
    process.stdout.write(`${options.out}/${dashboard.uid}.png${nothing}\n`);
  }
}
