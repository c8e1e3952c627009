/**
 * What of issuance is counted and alarmed on. Labels are kinds of proof and codes of refusals, both closed lists; no name of a workload is one.
 */
import type { Registry } from 'prom-client';
import { readCertificates } from '../../sidecar/src/identity/svid.ts';
import { registerCounter, registerGauge } from '../../sidecar/src/observe/family.ts';
import { rootId } from './expiry-check.ts';
import type { Federation } from './federation.ts';
import type { Decision } from './issuance.ts';
import type { Issuer } from './issuer.ts';

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
    registerCounter(
      registry,
      'tulle_authority_certificates_total',
      'Given to workloads, by their proof.',
      function* () {
        for (const [proof, count] of issued) yield [{ proof }, count];
      },
    );
    registerCounter(
      registry,
      'tulle_authority_refusals_total',
      'Requests without a certificate, by why.',
      function* () {
        for (const [code, count] of refused) yield [{ code }, count];
      },
    );
  }
}

/** Of what is kept, and of what others keep for us. */
export function registerExpiry(registry: Registry, issuer: Issuer, federation: Federation): void {
  registerGauge(
    registry,
    'tulle_authority_root_expiry_timestamp_seconds',
    'When a root of the trust bundle expires, in Unix time, by the start of its serial number.',
    function* () {
      for (const root of readCertificates(issuer.trustBundle().rootsPem, 'roots'))
        yield [{ root: rootId(root) }, root.validToDate.getTime() / 1_000];
    },
  );
  registerGauge(
    registry,
    'tulle_authority_foreign_bundle_refreshed_timestamp_seconds',
    'When the bundle of a foreign trust domain was had the last time, in Unix time; 0 for never since the start.',
    function* () {
      for (const [name, refreshedMs] of federation.refreshedMs())
        yield [{ trust_domain: name }, (refreshedMs ?? 0) / 1_000];
    },
  );
}

export function registerIntermediateExpiry(registry: Registry, endMs: () => number): void {
  registerGauge(
    registry,
    'tulle_authority_intermediate_expiry_timestamp_seconds',
    'When the intermediate that signs workload certificates expires, in Unix time.',
    function* () {
      yield [{}, endMs() / 1_000];
    },
  );
}

export function registerIssuerAway(registry: Registry, awaySeconds: () => number): void {
  registerGauge(
    registry,
    'tulle_authority_issuer_away_seconds',
    'For how long the issuer has not signed; 0 while it does.',
    function* () {
      yield [{}, awaySeconds()];
    },
  );
}
