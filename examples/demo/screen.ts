import { formatMs } from '../../mesh/cli/trace/columns.ts';
import type { Paint } from '../../mesh/cli/trace/paint.ts';
import type { Started } from './mesh.ts';
import { edgeUrl, RUN_PATH, runBody } from './scenario.ts';
import { SERVICE_NAMES, type Topology } from './topology.ts';

// What the demo says around its waterfalls, as lines.

const NAME_CELLS = 27;

export function banner(paint: Paint): string[] {
  return [
    '',
    `${paint('bold', 'Tulle')} explains every request: where its time went and where it died.`,
    paint('dim', 'Starting Redis, a certificate authority, four services, and a sidecar in front of each.'),
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

export type Finding = {
  readonly title: string;
  /** What was seen, in numbers. */
  readonly seen: string;
  readonly missing: readonly string[];
};

/** What the whole run showed; the last thing that `--once` says. */
export function summary(findings: readonly Finding[], width: number, paint: Paint): string[] {
  const lines = findings.flatMap(({ title, seen, missing }) => [
    `  ${missing.length === 0 ? paint('green', '✓') : paint('red', '✗')} ${title}`,
    ...(missing.length === 0
      ? [`    ${paint('dim', seen)}`]
      : missing.map((sentence) => `    ${paint('red', `missing: ${sentence}`)}`)),
  ]);
  return [...heading('What was seen', width, paint), ...lines, ''];
}

export interface AdminPorts {
  /** Of sidecars, by service. */
  readonly sidecars: ReadonlyMap<string, number>;
  readonly control: number;
}

export function outlook(topology: Topology, ports: AdminPorts, paint: Paint): string[] {
  const admin = SERVICE_NAMES.map((name) => {
    const url = `http://127.0.0.1:${ports.sidecars.get(name)}`;
    return `  ${name.padEnd(19)} ${url}/metrics   ${paint('dim', '/config_dump  /healthz/ready')}`;
  });
  return [
    paint('bold', 'It stays up. Ctrl-C ends it and leaves nothing behind.'),
    '',
    `  ${'gateway'.padEnd(19)} ${edgeUrl(topology)}   ${paint('dim', 'through its sidecar')}`,
    '',
    paint('dim', '  The admin endpoints of the sidecars'),
    ...admin,
    '',
    paint(
      'dim',
      '  What all sidecars know of a request, by its x-request-id or its trace: in words, and as JSON',
    ),
    `  npx tulle explain ${paint('dim', '<id>')} --control http://127.0.0.1:${ports.control}`,
    `  ${'control plane'.padEnd(19)} http://127.0.0.1:${ports.control}/traces/${paint('dim', '<id>')}`,
    '',
    paint(
      'dim',
      '  Try this: it fails twice, then succeeds, and is explained here once its last span has come.',
    ),
    paint(
      'dim',
      '  /hooks/ok and /hooks/fail are there too; so is a mistake of your own, in the key or the path.',
    ),
    '',
    `  curl -i ${edgeUrl(topology)}${RUN_PATH} \\`,
    `    -H 'x-api-key: ${topology.apiKey}' -H 'content-type: application/json' \\`,
    `    -d '${runBody('/hooks/flaky/2')}'`,
    '',
  ];
}
