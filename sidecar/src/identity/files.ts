/**
 * An identity that somebody else writes into three files (SPIRE, cert-manager, a script), picked up whenever they change.
 *
 * Invariants: the three files count as one set; a set that does not work, for instance because it is only half written,
 * replaces nothing, is reported once and tried again. Polling, because watches miss what happens behind symlinks, which is
 * how Kubernetes swaps files.
 */
import { readFile, stat } from 'node:fs/promises';
import type { FilesIdentity } from '../config/schema.ts';
import type { Identity, IdentityDeps } from './identity.ts';
import { LiveSvid } from './live-svid.ts';
import { pause } from './pause.ts';
import { checkValidity, readSvid, type Svid } from './svid.ts';

export const FILE_POLL_MS = 1_000;

export async function startFileIdentity(
  files: FilesIdentity,
  trustDomain: string,
  deps: IdentityDeps,
): Promise<Identity> {
  const load = async () => {
    const svid = await readFiles(files, trustDomain);
    checkValidity(svid, deps.clock.nowMs());
    return svid;
  };
  // Taken before the files are read: a change in between is then seen as one.
  const fingerprint = await fingerprintOf(files);
  const live = new LiveSvid(await load(), deps);
  void follow(live, files, fingerprint, load, deps);
  return live;
}

async function follow(
  live: LiveSvid,
  files: FilesIdentity,
  firstFingerprint: string,
  load: () => Promise<Svid>,
  { clock, report }: IdentityDeps,
): Promise<void> {
  let loaded = firstFingerprint;
  let rejected = '';
  while (await pause(clock, FILE_POLL_MS, live.stopped)) {
    try {
      const fingerprint = await fingerprintOf(files);
      if (fingerprint !== loaded) {
        live.replace(await load());
        loaded = fingerprint;
        rejected = '';
      }
    } catch (error) {
      const reason = (error as Error).message;
      if (reason !== rejected) report({ kind: 'files_rejected', reason });
      rejected = reason;
    }
  }
}

async function readFiles(files: FilesIdentity, trustDomain: string): Promise<Svid> {
  const [certificatePem, keyPem, rootsPem] = await Promise.all([
    readFile(files.certificateFile, 'utf8'),
    readFile(files.keyFile, 'utf8'),
    readFile(files.rootsFile, 'utf8'),
  ]);
  return readSvid({ certificatePem, keyPem, rootsPem }, trustDomain);
}

/** Changes with every replacement and every write. */
async function fingerprintOf(files: FilesIdentity): Promise<string> {
  const paths = [files.certificateFile, files.keyFile, files.rootsFile];
  const states = await Promise.all(paths.map((path) => stat(path, { bigint: true })));
  return states
    .map(({ dev, ino, size, mtimeNs, ctimeNs }) => [dev, ino, size, mtimeNs, ctimeNs].join())
    .join(';');
}
