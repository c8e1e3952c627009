/**
 * Loads a sidecar's YAML, from one file or from all files of a folder: all of it is right and a frozen config comes back, or every
 * problem comes back at once with its file, line, column and a suggestion. No key is ever ignored; what is right but has no effect is
 * a warning.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { checkReferences } from './check-references.ts';
import { type DocumentSource, judgeDocuments, placeFinding, readDocuments } from './documents.ts';
import { normalise } from './normalise.ts';
import { ConfigError, type ConfigProblem, type KeyPath } from './problem.ts';
import type { SidecarConfig } from './schema.ts';
import type { ServiceLevelDocument } from './service-level.ts';
import { CONFIG_LIMITS } from './values.ts';
import { readYamlDocuments } from './yaml-source.ts';

export type LoadResult = LoadedConfig | RefusedConfig;

export type LoadedConfig = {
  readonly ok: true;
  readonly config: SidecarConfig;
  /** What is right, but has no effect. */
  readonly warnings: readonly ConfigProblem[];
  /** Of all files, as one. */
  readonly text: string;
  readonly version: string;
  /** Where a key of the Sidecar stands, for whoever finds a reason to refuse it later. */
  locate(path: KeyPath): Pick<ConfigProblem, 'file' | 'line' | 'column'>;
};

export type RefusedConfig = {
  readonly ok: false;
  readonly problems: readonly ConfigProblem[];
  /** Null when a file could not be read. */
  readonly version: string | null;
};

/** `file` is what problems call it. */
export type ConfigText = { readonly file: string; readonly text: string };

/** `path` is a file, or a folder of which every YAML file is read. */
export async function loadConfig(path: string): Promise<LoadResult> {
  const texts = await readConfigTexts(path);
  if (!Array.isArray(texts)) return { ok: false, problems: [texts], version: null };
  return parseConfig(texts, await baseFolder(path));
}

/** `folder` is where relative paths start. The same documents make the same config, whatever their order and their files. */
export function parseConfig(texts: readonly ConfigText[], folder: string): LoadResult {
  const text = joinTexts(texts);
  const version = hashText(text);
  const { origins, syntax } = readOrigins(texts);
  const refuse = (problems: readonly ConfigProblem[]): RefusedConfig => ({
    ok: false,
    problems: arrange(problems, texts),
    version,
  });
  if (origins.some(({ source }) => source.broken)) return refuse(syntax);

  const documents = readDocuments(origins);
  if (Array.isArray(documents) || syntax.length > 0) {
    const problems = [...syntax, ...(Array.isArray(documents) ? documents : [])];
    return refuse(problems.length > 0 ? problems : [explainAbsence(texts)]);
  }
  const { sidecar, resources } = documents;
  const config = normalise(
    sidecar.content,
    resources.map(({ content }) => content),
    folder,
  );
  const { problems, warnings } = checkReferences(config, documents);
  if (problems.length > 0) return refuse(problems);
  const locate = (path: KeyPath) =>
    placeFinding({ path, message: '', suggestion: null, at: 'value' }, sidecar.origin);
  return { ok: true, config, warnings: arrange(warnings, texts), text, version, locate };
}

/**
 * The service levels among the documents of a file or folder, in the order in which they stand; the others must be right too.
 * @throws ConfigError
 */
export async function loadServiceLevels(path: string): Promise<ServiceLevelDocument[]> {
  const texts = await readConfigTexts(path);
  if (!Array.isArray(texts)) throw new ConfigError([texts]);
  const { origins, syntax } = readOrigins(texts);
  const { serviceLevels, problems } = judgeDocuments(origins);
  if (syntax.length > 0 || problems.length > 0)
    throw new ConfigError(arrange(syntax.length > 0 ? syntax : problems, texts));
  return serviceLevels.map(({ content }) => content);
}

function readOrigins(texts: readonly ConfigText[]): { origins: DocumentSource[]; syntax: ConfigProblem[] } {
  const origins = texts.flatMap(({ file, text }) =>
    readYamlDocuments(text).map((source) => ({ file, source })),
  );
  const syntax = origins.flatMap(({ file, source }) =>
    source.problems.map((problem) => ({ file, path: '', ...problem })),
  );
  return { origins, syntax };
}

/** The texts of a file, or of the files of a folder in the order of their names; or why there are none. */
export async function readConfigTexts(path: string): Promise<ConfigText[] | ConfigProblem> {
  try {
    const isFolder = (await stat(path)).isDirectory();
    const files = isFolder ? await listConfigFiles(path) : [path];
    if (files.length === 0) return explain(path, 'is a folder without a YAML file', 'add a file *.yaml');
    if (files.length > CONFIG_LIMITS.files) {
      return explain(
        path,
        `holds more than ${CONFIG_LIMITS.files} YAML files`,
        'check that it is the right one',
      );
    }
    const texts: ConfigText[] = [];
    let left: number = CONFIG_LIMITS.fileBytes;
    for (const file of files) {
      const text = await readConfigText(file, left);
      if (typeof text !== 'string') return text;
      left -= Buffer.byteLength(text);
      texts.push({ file, text });
    }
    return texts;
  } catch (error) {
    return explainError(path, error);
  }
}

/** The text of a config file, or why there is none. */
export async function readConfigText(
  file: string,
  limitBytes: number = CONFIG_LIMITS.fileBytes,
): Promise<string | ConfigProblem> {
  try {
    const info = await stat(file);
    // A pipe or a device could block or never end.
    if (!info.isFile()) return explain(file, 'is not a regular file', 'give the path of a YAML file');
    if (info.size > limitBytes) {
      const whole = limitBytes === CONFIG_LIMITS.fileBytes ? 'is' : 'makes the config';
      return explain(
        file,
        `${whole} larger than ${CONFIG_LIMITS.fileBytes} bytes`,
        'check that it is the right file',
      );
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (error) {
    return explainError(file, error);
  }
}

/** Where the relative paths of a config start: at its folder, or at that of its file. One that is gone is known by its name. */
export async function baseFolder(path: string): Promise<string> {
  const isFolder = await stat(path).then(
    (info) => info.isDirectory(),
    () => !YAML_FILE.test(basename(path)),
  );
  return isFolder ? resolve(path) : dirname(resolve(path));
}

/** Hidden files are those of editors, and of Kubernetes, which keeps the versions of a mounted ConfigMap there. */
const YAML_FILE = /^[^.].*\.ya?ml$/;

export async function listConfigFiles(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => YAML_FILE.test(name));
  return names.sort().map((name) => join(folder, name));
}

/** Names a config by its content, so that the same text has the same version on every replica. */
export function hashText(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

/** As one text that means the same; a single one stays as it is. */
function joinTexts(texts: readonly ConfigText[]): string {
  // `...` ends a document without beginning another, so that directives may follow.
  return texts.map(({ text }) => text).join('\n...\n');
}

function explain(file: string, message: string, suggestion: string | null): ConfigProblem {
  return { file, line: 0, column: 0, path: '', message, suggestion };
}

function explainError(file: string, error: unknown): ConfigProblem {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return explain(file, 'does not exist', 'check the path and the working directory');
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA')
    return explain(file, 'is not UTF-8 text', 'save it as UTF-8');
  return explain(file, `cannot be read: ${code ?? String(error)}`, 'check its permissions');
}

function explainAbsence(texts: readonly ConfigText[]): ConfigProblem {
  const [{ file } = { file: '' }] = texts;
  const message = 'there is no document of kind Sidecar, which every config needs';
  return {
    file,
    line: 1,
    column: 1,
    path: '',
    message,
    suggestion: 'add one that begins with `kind: Sidecar`',
  };
}

/** In reading order, and no more of them than anyone would read. */
function arrange(problems: readonly ConfigProblem[], texts: readonly ConfigText[]): readonly ConfigProblem[] {
  const order = new Map(texts.map(({ file }, index) => [file, index]));
  const orderOf = ({ file }: ConfigProblem): number => order.get(file) ?? 0;
  return problems
    .toSorted((a, b) => orderOf(a) - orderOf(b) || a.line - b.line || a.column - b.column)
    .slice(0, CONFIG_LIMITS.problems);
}
