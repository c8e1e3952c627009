/**
 * Says when a file, or the files of a config folder, may have changed, however that was done: written in place, replaced by a rename, or swapped by a link
 * as Kubernetes does for a mounted ConfigMap. The folder is watched and not the file, since a watch on a file follows
 * the old one after a rename. A slow poll covers what events miss: a link further up the path, a network file
 * system, no inotify watches left. Both only ask to look; what counts is the file's identity.
 */
import { type BigIntStats, type FSWatcher, statSync, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock, Timer } from '../core/clock.ts';
import { listConfigFiles } from './load.ts';

export type FileWatchOptions = {
  readonly path: string;
  /** The identity the caller has already seen: only what differs from it is a change. */
  readonly since: string;
  readonly clock: Clock;
  onChange(): void;
  /** Events cannot be had, so that changes are seen by the poll alone. */
  onPollingOnly(reason: string): void;
};

export type FileWatch = { close(): void };

/** How long a file must stay the same before it is reported: an editor's truncate and write are two changes. */
const SETTLE_MS = 100;
/** A file that never comes to rest is reported all the same after this many looks. */
const MAX_LOOKS = 20;
const POLL_MS = 5000;

export function watchFile(options: FileWatchOptions): FileWatch {
  const { path, clock, onChange, onPollingOnly } = options;
  let handled = options.since;
  let settling: string | null = null;
  let looks = 0;
  let lookTimer: Timer | null = null;
  let pollTimer: Timer | null = null;
  let watcher: FSWatcher | null = null;
  let closed = false;

  // Later events do not push the look back: a busy log file in the same folder must not delay it forever.
  const scheduleLook = (): void => {
    if (!closed) lookTimer ??= clock.setTimer(look, SETTLE_MS);
  };

  const look = async (): Promise<void> => {
    // Cleared before the file is looked at, so that an event during the look leads to another one.
    lookTimer = null;
    const identity = await identifyFile(path);
    if (closed) return;
    if (identity === handled) {
      settling = null;
      looks = 0;
      return;
    }
    if (identity !== settling && looks < MAX_LOOKS) {
      settling = identity;
      looks += 1;
      scheduleLook();
      return;
    }
    handled = identity;
    settling = null;
    looks = 0;
    onChange();
  };

  const poll = (): void => {
    scheduleLook();
    pollTimer = clock.setTimer(poll, POLL_MS);
  };

  const fallBackToPolling = (error: unknown): void => {
    watcher?.close();
    watcher = null;
    if (!closed) onPollingOnly(error instanceof Error ? error.message : String(error));
  };

  try {
    watcher = watch(watchedFolder(path), { persistent: false }, scheduleLook);
    watcher.on('error', fallBackToPolling);
  } catch (error) {
    fallBackToPolling(error);
  }
  pollTimer = clock.setTimer(poll, POLL_MS);

  return {
    close() {
      closed = true;
      lookTimer?.cancel();
      pollTimer?.cancel();
      watcher?.close();
    },
  };
}

/** Differs whenever the file behind `path`, or one in the folder `path`, was replaced or written to; links are followed. */
export async function identifyFile(path: string): Promise<string> {
  try {
    const info = await stat(path, { bigint: true });
    if (!info.isDirectory()) return identify(info);
    const files = await listConfigFiles(path);
    const identities = files.map(async (file) => `${file}:${identify(await stat(file, { bigint: true }))}`);
    return (await Promise.all(identities)).join('\n');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unreadable';
  }
}

function identify({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

function watchedFolder(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : dirname(path);
}
