/**
 * Loads a sidecar's YAML: all of it is right and a frozen config comes back, or every problem comes back at once with
 * its line, column and a suggestion. There is nothing in between: no warning, no ignored key.
 */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { checkDocument } from './check.ts';
import { explainIssues, type Finding } from './explain.ts';
import { normalise } from './normalise.ts';
import type { ConfigProblem, KeyPath } from './problem.ts';
import { formatPath } from './problem.ts';
import type { SidecarConfig } from './schema.ts';
import { sidecarDocument } from './schema.ts';
import { CONFIG_LIMITS } from './values.ts';
import type { Position, YamlSource } from './yaml-source.ts';
import { readYaml } from './yaml-source.ts';

export type LoadResult = LoadedConfig | RefusedConfig;

export type LoadedConfig = {
  readonly ok: true;
  readonly config: SidecarConfig;
  readonly text: string;
  readonly version: string;
  /** Where a key stands, for whoever finds a reason to refuse it later. */
  locate(path: KeyPath): Position;
};

export type RefusedConfig = {
  readonly ok: false;
  readonly problems: readonly ConfigProblem[];
  /** Null when the file could not be read. */
  readonly version: string | null;
};

export type TextOrigin = {
  /** What problems call the file. */
  readonly file: string;
  /** Where relative paths start. */
  readonly folder: string;
};

export async function loadConfig(file: string): Promise<LoadResult> {
  const text = await readConfigText(file);
  if (typeof text !== 'string') return { ok: false, problems: [text], version: null };
  return parseConfig(text, { file, folder: dirname(resolve(file)) });
}

export function parseConfig(text: string, origin: TextOrigin): LoadResult {
  const version = hashText(text);
  const source = readYaml(text);
  const problems: ConfigProblem[] = source.problems.map((problem) => ({
    file: origin.file,
    path: '',
    ...problem,
  }));
  if (source.broken) return { ok: false, problems: arrange(problems), version };

  const parsed = sidecarDocument.safeParse(source.value);
  const findings = [
    ...explainIssues(parsed.error?.issues ?? [], source.value),
    ...checkDocument(source.value),
  ];
  for (const finding of findings) problems.push(placeFinding(finding, source, origin.file));
  if (!parsed.success || problems.length > 0) return { ok: false, problems: arrange(problems), version };

  return {
    ok: true,
    config: normalise(parsed.data, origin.folder),
    text,
    version,
    locate: source.locateValue,
  };
}

/** The text of a config file, or why there is none. */
export async function readConfigText(file: string): Promise<string | ConfigProblem> {
  const refuse = (message: string, suggestion: string | null): ConfigProblem => ({
    file,
    line: 0,
    column: 0,
    path: '',
    message,
    suggestion,
  });
  try {
    const info = await stat(file);
    // A pipe or a device could block or never end.
    if (!info.isFile()) return refuse('is not a regular file', 'give the path of a YAML file');
    if (info.size > CONFIG_LIMITS.fileBytes) {
      return refuse(`is larger than ${CONFIG_LIMITS.fileBytes} bytes`, 'check that it is the right file');
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return refuse('does not exist', 'check the path and the working directory');
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return refuse('is not UTF-8 text', 'save it as UTF-8');
    return refuse(`cannot be read: ${code ?? String(error)}`, 'check its permissions');
  }
}

/** Names a config by its content, so that the same text has the same version on every replica. */
export function hashText(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

function placeFinding(finding: Finding, source: YamlSource, file: string): ConfigProblem {
  const { path, message, suggestion, at } = finding;
  const position =
    at === 'value' ? source.locateValue(path) : source.locateKey(at === 'key' ? path : path.slice(0, -1));
  return { file, ...position, path: formatPath(path), message, suggestion };
}

/** In reading order, and no more of them than anyone would read. */
function arrange(problems: ConfigProblem[]): readonly ConfigProblem[] {
  problems.sort((a, b) => a.line - b.line || a.column - b.column);
  return problems.slice(0, CONFIG_LIMITS.problems);
}
