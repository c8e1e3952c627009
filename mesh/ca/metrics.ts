/**
 * What of issuance is counted and alarmed on. Labels are kinds of proof and codes of refusals, both closed lists; no name of a workload is one.
 */
import type { Registry } from 'prom-client';
import { registerCounter, registerGauge } from '../../sidecar/src/observe/family.ts';
import type { Decision } from './issuance.ts';

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
