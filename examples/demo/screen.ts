import { formatMs } from './columns.ts';
import type { Started } from './mesh.ts';
import type { Paint } from './paint.ts';
import { edgeUrl, RUN_PATH, runBody, type Step } from './scenario.ts';
import { SERVICE_NAMES, type Topology } from './topology.ts';

// What the demo says around its waterfalls, as lines.

const NAME_CELLS = 27;

export function banner(paint: Paint): string[] {
  return [
    '',
    `${paint('bold', 'Tulle')} explains every request: where its time went and where it died.`,
    paint('dim', 'Four services, each behind its own sidecar process; mutual TLS between the sidecars.'),
    '',
  ];
}

export function startedLine({ name, pid, listens }: Started, afterMs: number, paint: Paint): string {
  const process = pid === null ? 'not ours' : `pid ${pid}`;
  const after = formatMs(afterMs).padStart(8);
  return `  ${paint('green', '✓')} ${name.padEnd(NAME_CELLS)} ${paint('dim', `${after}  ${process.padEnd(11)} ${listens}`)}`;
}

export function heading(title: string, width: number, paint: Paint): string[] {
  return ['', paint('bold', `── ${title} `.padEnd(width, '─')), ''];
}

/** What the whole run showed; the last thing that `--once` says. */
export function summary(missing: readonly (readonly [Step, readonly string[]])[], paint: Paint): string[] {
  const lines = missing.flatMap(([{ title }, sentences]) => [
    `  ${sentences.length === 0 ? paint('green', '✓') : paint('red', '✗')} ${title}`,
    ...sentences.map((sentence) => `      ${paint('red', `missing: ${sentence}`)}`),
  ]);
  return [...heading('Seen', 9, paint), ...lines, ''];
}

export function outlook(topology: Topology, adminPorts: ReadonlyMap<string, number>, paint: Paint): string[] {
  const admin = SERVICE_NAMES.map((name) => {
    const url = `http://127.0.0.1:${adminPorts.get(name)}`;
    return `  ${name.padEnd(19)} ${url}/metrics   ${paint('dim', '/config_dump  /healthz/ready')}`;
  });
  return [
    paint('bold', 'It stays up. Ctrl-C ends it and leaves nothing behind.'),
    '',
    `  ${'gateway'.padEnd(19)} ${edgeUrl(topology)}   ${paint('dim', 'through its sidecar')}`,
    '',
    paint('dim', '  Admin endpoints of the sidecars'),
    ...admin,
    '',
    paint(
      'dim',
      '  Try it: your request is explained here once its last span has come. /hooks/ok and /hooks/fail work too.',
    ),
    '',
    `  curl -i ${edgeUrl(topology)}${RUN_PATH} \\`,
    `    -H 'x-api-key: ${topology.apiKey}' -H 'content-type: application/json' \\`,
    `    -d '${runBody('/hooks/flaky/2')}'`,
    '',
  ];
}
