/**
 * Keeps the sidecar on the newest valid config. A change of the file, or of the files of a folder, or `reload()`, leads to one attempt: load, refuse
 * what takes a restart, hand over to `apply`. Attempts never overlap. One that fails changes nothing but the status: the
 * config before it stays in force, and is also on disk for the next start, as the YAML that it was.
 */
import type { Clock } from '../core/clock.ts';
import { replaceFile } from '../durable-file.ts';
import { identifyFile, watchFile } from './file-watch.ts';
import type { LoadedConfig } from './load.ts';
import { baseFolder, loadConfig, parseConfig, readConfigText } from './load.ts';
import type { ConfigProblem } from './problem.ts';
import { ConfigError, formatPath, formatProblem } from './problem.ts';
import { findRestartOnly } from './restart-only.ts';
import type { SidecarConfig } from './schema.ts';

export type ConfigWatchOptions = {
  /** A file, or a folder of files. */
  readonly path: string;
  /** Where the last good config is kept; null keeps none. */
  readonly lastGoodPath: string | null;
  readonly clock: Clock;
  /** Takes a config over, completely or not at all: when it rejects, the config before must still be in force. */
  apply(config: SidecarConfig): Promise<void>;
  report(event: ConfigEvent): void;
};

export type ConfigEvent =
  | { readonly kind: 'accepted'; readonly version: string; readonly warnings: readonly ConfigProblem[] }
  | { readonly kind: 'rejected'; readonly running: string; readonly problems: readonly ConfigProblem[] }
  /** The sidecar started on the last good config, because of `problems` with the file. */
  | { readonly kind: 'fell-back'; readonly running: string; readonly problems: readonly ConfigProblem[] }
  | { readonly kind: 'last-good-not-stored'; readonly reason: string }
  /** Changes of the file are still seen, but up to some seconds late. */
  | { readonly kind: 'polling-only'; readonly reason: string };

export type ReloadOutcome =
  | { readonly kind: 'accepted' | 'unchanged'; readonly version: string }
  | { readonly kind: 'rejected'; readonly problems: readonly ConfigProblem[] };

export type ConfigStatus = {
  readonly config: SidecarConfig;
  /** Of the running config: a short hash of its text. */
  readonly version: string;
  /** True from a start on the last good config until a file is accepted. */
  readonly onLastGood: boolean;
  readonly accepted: number;
  readonly rejected: number;
  /** What is wrong with the file as it is now; empty while the file is what runs. */
  readonly problems: readonly ConfigProblem[];
  /** What of the running config has no effect. */
  readonly warnings: readonly ConfigProblem[];
  readonly lastError: string | null;
};

export type ConfigWatch = {
  status(): ConfigStatus;
  /** Reads the file now. An attempt that is waiting already is shared, as it will read the same file. */
  reload(): Promise<ReloadOutcome>;
  /** Resolves when no attempt is under way and none will follow. */
  close(): Promise<void>;
};

/** Applies the file's config or, if that fails, the last good one; throws ConfigError when neither can be had. */
export async function startConfigWatch(options: ConfigWatchOptions): Promise<ConfigWatch> {
  const { path, clock, report } = options;
  const since = await identifyFile(path);
  const first = await startOnFileOrLastGood(options);

  let running = first.loaded;
  let problems = first.problems;
  let onLastGood = problems.length > 0;
  let accepted = onLastGood ? 0 : 1;
  let rejected = onLastGood ? 1 : 0;

  // Content of the last attempt, so that touching a refused file does not report it again.
  let attempted = first.fileVersion;
  let forced = false;
  let closed = false;
  let tail: Promise<unknown> = Promise.resolve();
  let queued: Promise<ReloadOutcome> | null = null;

  const queueAttempt = (): Promise<ReloadOutcome> => {
    queued ??= tail.then(() => {
      queued = null;
      return attempt();
    });
    tail = queued;
    return queued;
  };

  const attempt = async (): Promise<ReloadOutcome> => {
    const again = forced;
    forced = false;
    const unchanged: ReloadOutcome = { kind: 'unchanged', version: running.version };
    if (closed) return unchanged;

    const loaded = await loadConfig(path);
    if (!again && loaded.version !== null && loaded.version === attempted) return unchanged;
    attempted = loaded.version;
    // After a refusal the old text is applied anew: it ends the refusal, and mends what a failed `apply` may have left.
    if (loaded.version === running.version && problems.length === 0) return unchanged;

    problems = loaded.ok ? refuseRestartOnly(running, loaded) : loaded.problems;
    if (loaded.ok && problems.length === 0) problems = await tryApply(loaded, options);
    if (!loaded.ok || problems.length > 0) {
      rejected += 1;
      report({ kind: 'rejected', running: running.version, problems });
      return { kind: 'rejected', problems };
    }

    running = loaded;
    onLastGood = false;
    accepted += 1;
    await keepLastGood(loaded, options);
    report({ kind: 'accepted', version: loaded.version, warnings: loaded.warnings });
    return { kind: 'accepted', version: loaded.version };
  };

  const fileWatch = watchFile({
    path,
    since,
    clock,
    onChange: queueAttempt,
    onPollingOnly: (reason) => report({ kind: 'polling-only', reason }),
  });

  return {
    status: () => ({
      config: running.config,
      version: running.version,
      onLastGood,
      accepted,
      rejected,
      problems,
      warnings: running.warnings,
      lastError: problems[0] === undefined ? null : formatProblem(problems[0]),
    }),
    reload() {
      forced = true;
      return queueAttempt();
    },
    async close() {
      closed = true;
      fileWatch.close();
      await tail;
    },
  };
}

type FirstConfig = {
  readonly loaded: LoadedConfig;
  /** Why the file is not what was loaded; empty when it is. */
  readonly problems: readonly ConfigProblem[];
  readonly fileVersion: string | null;
};

async function startOnFileOrLastGood(options: ConfigWatchOptions): Promise<FirstConfig> {
  const { path, lastGoodPath, report } = options;
  const file = await loadConfig(path);
  const problems = file.ok ? await tryApply(file, options) : file.problems;
  if (file.ok && problems.length === 0) {
    await keepLastGood(file, options);
    report({ kind: 'accepted', version: file.version, warnings: file.warnings });
    return { loaded: file, problems, fileVersion: file.version };
  }

  const text = lastGoodPath === null ? null : await readConfigText(lastGoodPath);
  if (lastGoodPath === null || typeof text !== 'string') throw new ConfigError(problems);
  // Its relative paths mean what they meant in the file it is a copy of.
  const lastGood = parseConfig([{ file: lastGoodPath, text }], await baseFolder(path));
  if (lastGood.version === file.version) throw new ConfigError(problems);
  const lastGoodProblems = lastGood.ok ? await tryApply(lastGood, options) : lastGood.problems;
  if (!lastGood.ok || lastGoodProblems.length > 0) throw new ConfigError([...problems, ...lastGoodProblems]);
  report({ kind: 'fell-back', running: lastGood.version, problems });
  return { loaded: lastGood, problems, fileVersion: file.version };
}

function refuseRestartOnly(running: LoadedConfig, wanted: LoadedConfig): ConfigProblem[] {
  return findRestartOnly(running.config, wanted.config).map(({ path, message, suggestion }) => ({
    ...wanted.locate(path),
    path: formatPath(path),
    message,
    suggestion,
  }));
}

async function tryApply(loaded: LoadedConfig, { path, apply }: ConfigWatchOptions): Promise<ConfigProblem[]> {
  try {
    await apply(loaded.config);
    return [];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `is valid, but could not be applied: ${reason}`;
    return [{ file: path, line: 0, column: 0, path: '', message, suggestion: null }];
  }
}

/** A copy that cannot be written is told, but is no reason to refuse a config which works. */
async function keepLastGood(
  loaded: LoadedConfig,
  { lastGoodPath, report }: ConfigWatchOptions,
): Promise<void> {
  if (lastGoodPath === null) return;
  try {
    await replaceFile(lastGoodPath, loaded.text);
  } catch (error) {
    report({ kind: 'last-good-not-stored', reason: error instanceof Error ? error.message : String(error) });
  }
}
