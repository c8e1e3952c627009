/**
 * Asks the authority again and again what is to be trusted, so that a new root is known long before anything is signed by it, and who is denied is cut off soon.
 *
 * Invariants: the pause is what the authority asks for, within bounds, and shortened at random, so that a fleet which started together does not ask together. What
 * can't be had or read changes nothing: the last good bundle stays, and that is reported once an outage. Failures are retried after growing pauses.
 */
import type { IdentityDeps } from './identity.ts';
import type { LiveSvid } from './live-svid.ts';
import { pause } from './pause.ts';
import type { Trusted } from './trust.ts';
import type { TrustDocument } from './trust-document.ts';

/** Throws when there is none to be had now. */
export type FetchTrust = (signal: AbortSignal) => Promise<TrustDocument>;

const REFRESH_MS = { least: 1_000, most: 3_600_000, unless: 300_000 } as const;
const FIRST_RETRY_MS = 500;

/** Goes on until the identity is stopped; settles after the first attempt. */
export async function followTrust(
  live: LiveSvid,
  fetchTrust: FetchTrust,
  foreignTrustDomains: readonly string[],
  { clock, random, report }: IdentityDeps,
): Promise<void> {
  let refreshMs: number = REFRESH_MS.least;
  let failures = 0;
  const refresh = async (): Promise<void> => {
    const { rootsPem } = live.svid;
    try {
      const trusted = await fetchTrust(live.stopped);
      refreshMs = refreshMsOf(trusted);
      failures = 0;
      live.trustRefreshedMs = clock.nowMs();
      // A renewal that came in between may have brought what is newer.
      if (live.svid.rootsPem !== rootsPem) return;
      live.trust(trusted.sequence, toTrusted(trusted, foreignTrustDomains));
    } catch (error) {
      if (failures === 0 && !live.stopped.aborted)
        report({ kind: 'trust_not_refreshed', reason: (error as Error).message });
      failures += 1;
    }
  };
  const goOn = async (): Promise<void> => {
    while (await pause(clock, delayMs(refreshMs, failures, random()), live.stopped)) await refresh();
  };
  await refresh();
  void goOn();
}

/** Of what the authority passes on, what the config accepts. */
function toTrusted({ rootsPem, denied, foreign }: TrustDocument, accepted: readonly string[]): Trusted {
  const roots = [...foreign].filter(([name]) => accepted.includes(name));
  return { rootsPem, denied, foreign: new Map(roots.map(([name, bundle]) => [name, bundle.rootsPem])) };
}

function refreshMsOf({ refreshSeconds }: TrustDocument): number {
  const wantedMs = refreshSeconds === null ? REFRESH_MS.unless : refreshSeconds * 1_000;
  return Math.min(Math.max(wantedMs, REFRESH_MS.least), REFRESH_MS.most);
}

/** `random` is uniform in [0, 1). No pause is longer than `refreshMs`. */
export function delayMs(refreshMs: number, failures: number, random: number): number {
  if (failures === 0) return refreshMs * (0.8 + 0.2 * random);
  return Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), refreshMs) * (0.5 + 0.5 * random);
}
