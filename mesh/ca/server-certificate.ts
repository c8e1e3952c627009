/**
 * The certificate by which sidecars know the authority's HTTPS interface: its own key, signed by the issuer, always fresh.
 *
 * Invariants: replaced daily, at half of its lifetime when that is sooner, and whenever the issuer changed: before an old root leaves the
 * bundle, nothing here depends on it. A renewal that fails keeps the last one, and is tried again.
 */
import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import type { Issuer, ServerCertificate } from './issuer.ts';

export interface LiveServerCertificate {
  tlsOptions(): SecureContextOptions;
  /** Called with the options of each new certificate. */
  follow(apply: (options: SecureContextOptions) => void): void;
  stop(): void;
}

const TTL_SECONDS = 7 * 24 * 3600;
const RENEWAL_MS = { least: 500, most: 24 * 3_600_000, retry: 10_000 } as const;

export async function startServerCertificate(
  issuer: Issuer,
  names: readonly string[],
  report: (failure: { event: 'server_certificate_failed'; detail: string }) => void,
): Promise<LiveServerCertificate> {
  const issue = () => issuer.issueServerCertificate(names, TTL_SECONDS);
  let current = await issue();
  let apply = (_options: SecureContextOptions): void => {};
  let stopped = false;
  let timer = schedule(renewalMs(current));

  function schedule(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => void renew(), delayMs).unref();
  }

  async function renew(): Promise<void> {
    clearTimeout(timer);
    let nextMs: number = RENEWAL_MS.retry;
    try {
      current = await issue();
      nextMs = renewalMs(current);
      if (!stopped) apply(toTlsOptions(current, issuer));
    } catch (error) {
      report({ event: 'server_certificate_failed', detail: (error as Error).message });
    }
    // Of several renewals that went on at once, one goes on.
    clearTimeout(timer);
    if (!stopped) timer = schedule(nextMs);
  }

  const unfollow = issuer.onChanged(() => void renew());
  return {
    tlsOptions: () => toTlsOptions(current, issuer),
    follow(listener) {
      apply = listener;
      apply(toTlsOptions(current, issuer));
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      unfollow();
    },
  };
}

function renewalMs({ notAfterMs }: ServerCertificate): number {
  const halfMs = (notAfterMs - Date.now()) / 2;
  return Math.min(Math.max(halfMs, RENEWAL_MS.least), RENEWAL_MS.most);
}

function toTlsOptions({ certificatePem, keyPem }: ServerCertificate, issuer: Issuer): SecureContextOptions {
  return {
    cert: certificatePem,
    key: keyPem,
    ca: issuer.trustBundle().rootsPem,
    minVersion: 'TLSv1.3',
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
