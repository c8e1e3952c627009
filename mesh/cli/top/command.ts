import { setTimeout as sleep } from 'node:timers/promises';
import { askAdmin, CommandFailed, printable } from '../admin-endpoint.ts';
import {
  type Command,
  listOf,
  paintOf,
  print,
  readEndpoint,
  readNumber,
  UsageError,
  widthOf,
} from '../command.ts';
import { LIMITS } from '../limits.ts';
import { formatMs, layCells } from '../trace/columns.ts';
import type { Paint, Tone } from '../trace/paint.ts';
import { parseExposition } from './exposition.ts';
import { compareReadings, type Reading, readSignals, type Signals } from './golden-signals.ts';

/** From the upper left corner on, and nothing of before. */
const CLEAR = '\u001b[H\u001b[J';

type Look = { readonly atMs: number; readonly reading: Reading | null; readonly silent: string | null };

export const top: Command = {
  name: 'top',
  summary: 'shows rate, errors and durations of every route, live',
  usage: '--sidecar <url> … [--interval <seconds>] [--once] [--json]',
  help: `
Reads /metrics of each sidecar every second and shows, by route, what came in between: requests a second, the share of errors, the durations that half and 99 of 100
requests did not exceed (within the buckets of the histogram), and how many are under way.

  --sidecar <url>   admin port of a sidecar; may be given several times
  --interval <n>    seconds between two readings, 1 without it
  --once            one interval, then it ends
  --json            a line of JSON for each interval
  --width <n>       columns to draw in
  --no-color        without colours, as in a pipe

Ctrl-C ends it.`,
  options: {
    sidecar: { type: 'string', multiple: true },
    interval: { type: 'string' },
    once: { type: 'boolean' },
  },

  async run(given, terminal) {
    const { out, stopped } = terminal;
    const { values, positionals } = given;
    if (positionals.length > 0) throw new UsageError(`takes no argument ${JSON.stringify(positionals[0])}`);
    const endpoints = listOf(given, 'sidecar').map((value) => readEndpoint('sidecar', value));
    if (endpoints.length === 0)
      throw new UsageError('the admin port of a sidecar is missing: --sidecar 127.0.0.1:15000');
    const seconds = readNumber('interval', String(values.interval ?? 1), 1, LIMITS.maxIntervalSeconds);
    const drawing = { width: widthOf(given, terminal), paint: paintOf(given, terminal) };
    let before = await lookAtAll(endpoints);
    if (before.every(({ reading }) => reading === null)) {
      throw new CommandFailed(before.map(({ silent }) => silent).join('; '));
    }
    while (!stopped.aborted) {
      await sleep(seconds * 1_000, undefined, { signal: stopped }).catch(() => {});
      if (stopped.aborted) break;
      const after = await lookAtAll(endpoints);
      const routes = after.flatMap((look, index) => compare(before[index], look)).sort(byRate);
      const silent = after.flatMap((look) => look.silent ?? []);
      if (values.json === true)
        print(out, [JSON.stringify({ time: new Date().toISOString(), routes, silent })]);
      else print(out, [(out.isTTY ? CLEAR : '') + draw(routes, silent, drawing).join('\n')]);
      if (values.once === true) break;
      before = after;
    }
    return 0;
  },
};

function lookAtAll(endpoints: readonly string[]): Promise<Look[]> {
  return Promise.all(endpoints.map(look));
}

/** A sidecar that does not answer is told and left out; others go on. */
async function look(endpoint: string): Promise<Look> {
  try {
    const { status, body } = await askAdmin(endpoint, '/metrics');
    if (status !== 200) throw new CommandFailed(`${endpoint} answered ${status} to /metrics`);
    return { atMs: performance.now(), reading: readSignals(parseExposition(body)), silent: null };
  } catch (error) {
    const { message } = error as Error;
    const silent = error instanceof CommandFailed ? message : `${endpoint}/metrics: ${message}`;
    return { atMs: performance.now(), reading: null, silent };
  }
}

/** Nothing can be said of a sidecar that was not seen twice. */
function compare(before: Look | undefined, after: Look): Signals[] {
  if (before === undefined || before.reading === null || after.reading === null) return [];
  return compareReadings(before.reading, after.reading, (after.atMs - before.atMs) / 1_000);
}

function byRate(a: Signals, b: Signals): number {
  return b.ratePerSecond - a.ratePerSecond;
}

const CELLS = { service: 20, direction: 8, number: 9 };
/** Between columns, and in front. */
const GAPS = 8;

function draw(
  routes: readonly Signals[],
  silent: readonly string[],
  { width, paint }: { width: number; paint: Paint },
): string[] {
  const routeCells = Math.max(10, width - CELLS.service - CELLS.direction - 5 * CELLS.number - GAPS);
  const row = (cells: readonly string[], tone: Tone) => {
    const [service = '', direction = '', route = '', ...numbers] = cells;
    return layCells(
      [
        { text: service, tone: tone === 'plain' ? 'bold' : tone, width: CELLS.service },
        { text: direction, tone, width: CELLS.direction },
        { text: route, tone, width: routeCells },
        ...numbers.map((text) => ({ text, tone, width: CELLS.number, align: 'right' as const })),
      ],
      paint,
    );
  };
  return [
    row(['SERVICE', '', 'ROUTE', 'REQ/S', 'ERRORS', 'P50', 'P99', 'ACTIVE'], 'dim'),
    ...routes.map((route) => row(cellsOf(route), toneOf(route))),
    ...silent.map((reason) => paint('yellow', `note: ${reason}`)),
  ];
}

function cellsOf({
  service,
  direction,
  route,
  ratePerSecond,
  errorShare,
  p50Ms,
  p99Ms,
  active,
}: Signals): string[] {
  const ms = (value: number | null) => (value === null ? '–' : formatMs(value));
  const errors = errorShare === null ? '–' : `${(errorShare * 100).toFixed(1)} %`;
  const way = direction === 'inbound' ? 'in' : 'out';
  return [
    printable(service),
    way,
    printable(route),
    ratePerSecond.toFixed(1),
    errors,
    ms(p50Ms),
    ms(p99Ms),
    String(active),
  ];
}

function toneOf({ errorShare, ratePerSecond }: Signals): Tone {
  if (ratePerSecond === 0) return 'dim';
  return (errorShare ?? 0) > 0 ? 'red' : 'plain';
}
