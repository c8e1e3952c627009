/**
 * What of issuance is counted and alarmed on. Labels are kinds of proof and codes of refusals, both closed lists; no name of a workload is one.
 */
import type { Registry } from 'prom-client';
import { readCertificates } from '../../sidecar/src/identity/svid.ts';
import { register } from '../../sidecar/src/observe/family.ts';
import { counter, gauge } from '../../sidecar/src/observe/metric.ts';
import { rootId } from './expiry-check.ts';
import type { Federation } from './federation.ts';
import type { Decision } from './issuance.ts';
import type { Issuer } from './issuer.ts';

export const AUTHORITY_CERTIFICATES = counter(
  'tulle_authority_certificates_total',
  'Given to workloads, by their proof.',
  ['proof'],
);
export const AUTHORITY_REFUSALS = counter(
  'tulle_authority_refusals_total',
  'Requests without a certificate, by why.',
  ['code'],
);
export const AUTHORITY_ROOT_EXPIRY = gauge(
  'tulle_authority_root_expiry_timestamp_seconds',
  'When a root of the trust bundle expires, in Unix time, by the start of its serial number.',
  ['root'],
);
export const AUTHORITY_FOREIGN_BUNDLE_REFRESHED = gauge(
  'tulle_authority_foreign_bundle_refreshed_timestamp_seconds',
  'When the bundle of a foreign trust domain was had the last time, in Unix time; 0 for never since the start.',
  ['trust_domain'],
);
export const AUTHORITY_INTERMEDIATE_EXPIRY = gauge(
  'tulle_authority_intermediate_expiry_timestamp_seconds',
  'When the intermediate that signs workload certificates expires, in Unix time.',
);
export const AUTHORITY_ISSUER_AWAY = gauge(
  'tulle_authority_issuer_away_seconds',
  'For how long the issuer has not signed; 0 while it does.',
);

export class IssuanceCounts {
  readonly #issued = new Map<string, number>();
  readonly #refused = new Map<string, number>();

  count(decision: Decision): void {
    if (decision.event === 'server_certificate_failed') return;
    const [counts, key] =
      decision.event === 'issued' ? [this.#issued, decision.proof] : [this.#refused, decision.code];
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }

  register(registry: Registry): void {
    const [issued, refused] = [this.#issued, this.#refused];
    register(registry, AUTHORITY_CERTIFICATES, function* () {
      for (const [proof, count] of issued) yield [{ proof }, count];
    });
    register(registry, AUTHORITY_REFUSALS, function* () {
      for (const [code, count] of refused) yield [{ code }, count];
    });
  }
}

/** Of what is kept, and of what others keep for us. */
export function registerExpiry(registry: Registry, issuer: Issuer, federation: Federation): void {
  register(registry, AUTHORITY_ROOT_EXPIRY, function* () {
    for (const root of readCertificates(issuer.trustBundle().rootsPem, 'roots'))
      yield [{ root: rootId(root) }, root.validToDate.getTime() / 1_000];
  });
  register(registry, AUTHORITY_FOREIGN_BUNDLE_REFRESHED, function* () {
    for (const [name, refreshedMs] of federation.refreshedMs())
      yield [{ trust_domain: name }, (refreshedMs ?? 0) / 1_000];
  });
}

export function registerIntermediateExpiry(registry: Registry, endMs: () => number): void {
  register(registry, AUTHORITY_INTERMEDIATE_EXPIRY, function* () {
    yield [{}, endMs() / 1_000];
  });
}

export function registerIssuerAway(registry: Registry, awaySeconds: () => number): void {
  register(registry, AUTHORITY_ISSUER_AWAY, function* () {
    yield [{}, awaySeconds()];
  });
}
