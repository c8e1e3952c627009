/**
 * What `GET /config_dump` shows: the config that runs, what is wrong with the file, and who the sidecar is.
 *
 * Secrets are absent by construction: the config holds the paths of keys and tokens, never their content, and its URLs may
 * carry no credentials. A config key that holds a secret itself would have to be left out here.
 */
import { basename } from 'node:path';
import type { ConfigProblem } from '../config/problem.ts';
import type { SidecarConfig } from '../config/schema.ts';
import type { ConfigStatus } from '../config/watch.ts';

export type ConfigDump = {
  readonly version: string;
  /** Base names: where the config lies on this machine is no business of whoever gets to see a dump. */
  readonly source: string;
  readonly onLastGood: boolean;
  readonly accepted: number;
  readonly rejected: number;
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
  readonly svid: ShownSvid | null;
  readonly config: SidecarConfig;
};

export type SvidSummary = { readonly id: string; readonly expiresAtMs: number; readonly expired: boolean };

export type ShownSvid = { readonly id: string; readonly expiresAt: string; readonly expired: boolean };

export function buildConfigDump(path: string, status: ConfigStatus, svid: SvidSummary | null): ConfigDump {
  const { version, onLastGood, accepted, rejected, problems, warnings, config } = status;
  return {
    version,
    source: basename(path),
    onLastGood,
    accepted,
    rejected,
    problems: problems.map(hideFolder),
    warnings: warnings.map(hideFolder),
    svid: svid === null ? null : showSvid(svid),
    config,
  };
}

function hideFolder(problem: ConfigProblem): ConfigProblem {
  return { ...problem, file: basename(problem.file) };
}

export function showSvid({ id, expiresAtMs, expired }: SvidSummary): ShownSvid {
  return { id, expiresAt: new Date(expiresAtMs).toISOString(), expired };
}
