/**
 * The control plane and what it gives: configs, certificates, secrets.
 */
import { aggregate, gaugeOf, secondsSince, secondsUntil } from '../../alerts/src/promql.ts';
import {
  AUTHORITY_CERTIFICATES,
  AUTHORITY_ISSUER_AWAY,
  AUTHORITY_REFUSALS,
  AUTHORITY_ROOT_EXPIRY,
} from '../../mesh/ca/metrics.ts';
import {
  CONTROL_TRACE_IDS_DROPPED,
  CONTROL_TRACE_IDS_TOLD,
  CONTROL_TRACE_SUBSCRIBERS,
} from '../../mesh/control/metrics.ts';
import { SECRETS_LEASE, SECRETS_STALE } from '../../mesh/secrets/metrics.ts';
import {
  CERTIFICATE_EXPIRED,
  CERTIFICATE_EXPIRY,
  CONFIG_ACCEPTED,
  CONFIG_INFO,
  CONFIG_REJECTED,
  CONFIG_WARNINGS,
  TRUST_REFRESHED,
  TRUST_ROOT_EXPIRY,
} from '../../sidecar/src/observe/sidecar-exposition.ts';
import { changesOf } from './annotations.ts';
import { createDashboard } from './dashboard.ts';
import { line } from './line.ts';
import { labelOf, linkTo } from './links.ts';
import { singleStat, timeSeries } from './panel.ts';
import { highest, perSecond, total } from './promql.ts';
import { IN_NAMESPACE, NAMESPACE_VARIABLES } from './scopes.ts';
import { valueTable } from './table.ts';
import { above, below, NONE_ALLOWED } from './thresholds.ts';

const DAY = 86_400;
const toSidecar = linkTo('sidecar', 'Sidecar', { service: labelOf('service_name') });

export const controlPlane = createDashboard({
  name: 'control-plane',
  title: 'Control plane and certificates',
  description: 'Whether sidecars get what they need: configs, certificates, trust and secrets.',
  variables: NAMESPACE_VARIABLES,
  annotations: changesOf(IN_NAMESPACE),
  rows: [
    {
      title: 'Do sidecars get what they need?',
      panels: [
        singleStat({
          title: 'Configs refused',
          description:
            'A second. A sidecar that refuses a config goes on with the last good one, so that what was meant does not hold.',
          unit: 'cps',
          thresholds: NONE_ALLOWED,
          query: perSecond(CONFIG_REJECTED, IN_NAMESPACE),
        }),
        singleStat({
          title: 'Inert parts',
          description:
            'Parts of configs that run and have no effect: what somebody wrote and believes to hold.',
          unit: 'short',
          thresholds: above(1, 100),
          query: total(CONFIG_WARNINGS, IN_NAMESPACE),
        }),
        singleStat({
          title: 'Certificates expired',
          description: 'Sidecars whose certificate is past its end. Their peers refuse them.',
          unit: 'short',
          thresholds: NONE_ALLOWED,
          query: total(CERTIFICATE_EXPIRED, IN_NAMESPACE),
        }),
        singleStat({
          title: 'First certificate expires in',
          description:
            'Sidecars renew theirs after two thirds of its life; one that is nearly over says that renewals fail.',
          unit: 's',
          thresholds: below(90, 30),
          query: secondsUntil(aggregate('min', gaugeOf(CERTIFICATE_EXPIRY, IN_NAMESPACE))),
        }),
        singleStat({
          title: 'First root expires in',
          description:
            'Of the roots of trust. Their rotation takes as long as certificates live; begin it weeks before.',
          unit: 's',
          thresholds: below(60 * DAY, 14 * DAY),
          query: secondsUntil(aggregate('min', gaugeOf(TRUST_ROOT_EXPIRY, IN_NAMESPACE))),
        }),
        singleStat({
          title: 'Issuer away for',
          description:
            'For how long the issuer has not signed. Certificates that run out meanwhile are not renewed.',
          unit: 's',
          thresholds: above(1, 300),
          query: highest(AUTHORITY_ISSUER_AWAY, {}),
        }),
      ],
    },
    {
      title: 'Configs',
      panels: [
        timeSeries({
          title: 'Configs taken over and refused',
          description: 'A second. After a change all sidecars of a service take it over.',
          unit: 'cps',
          lines: [
            line(
              perSecond(CONFIG_ACCEPTED, IN_NAMESPACE, ['service_name']),
              ({ service_name }) => `${service_name} taken over`,
            ),
            line(
              perSecond(CONFIG_REJECTED, IN_NAMESPACE, ['service_name']),
              ({ service_name }) => `${service_name} refused`,
            ),
          ],
          links: [toSidecar],
        }),
        valueTable({
          title: 'Configs that run',
          description:
            'How many sidecars of each service run which config. More than one a service: a change is under way, or somebody refuses it.',
          width: 8,
          rows: { service_name: 'service', version: 'config' },
          columns: [
            {
              head: 'sidecars',
              unit: 'short',
              query: total(CONFIG_INFO, IN_NAMESPACE, ['service_name', 'version']),
            },
          ],
        }),
        timeSeries({
          title: 'Inert parts by service',
          description: 'Parts of the configs that run and have no effect; `--check` says which.',
          unit: 'short',
          lines: [
            line(total(CONFIG_WARNINGS, IN_NAMESPACE, ['service_name']), ({ service_name }) => service_name),
          ],
        }),
      ],
    },
    {
      title: 'Certificates and trust',
      panels: [
        timeSeries({
          title: 'Certificates expire in',
          description:
            'A saw tooth by service: it rises when a certificate is renewed. One that falls to zero is not.',
          unit: 's',
          signed: true,
          width: 6,
          lines: [
            line(
              secondsUntil(aggregate('min', gaugeOf(CERTIFICATE_EXPIRY, IN_NAMESPACE), ['service_name'])),
              ({ service_name }) => service_name,
            ),
          ],
          links: [toSidecar],
        }),
        timeSeries({
          title: 'Certificates given',
          description: 'A second, by the proof of who asked; and requests that were refused, by reason.',
          unit: 'cps',
          width: 6,
          lines: [
            line(perSecond(AUTHORITY_CERTIFICATES, {}, ['proof']), ({ proof }) => `given by ${proof}`),
            line(perSecond(AUTHORITY_REFUSALS, {}, ['code']), ({ code }) => `refused: ${code}`),
          ],
        }),
        timeSeries({
          title: 'Trust heard of',
          description:
            'Since the authority last told a sidecar what is to be trusted. Denials come the same way: an old one knows none of the new.',
          unit: 's',
          width: 6,
          lines: [
            line(
              secondsSince(aggregate('min', gaugeOf(TRUST_REFRESHED, IN_NAMESPACE), ['service_name'])),
              ({ service_name }) => service_name,
            ),
          ],
        }),
        valueTable({
          title: 'Roots',
          description: 'Roots of the trust bundle, and when they expire.',
          width: 6,
          rows: { root: 'serial number' },
          columns: [
            {
              head: 'expires in',
              unit: 's',
              thresholds: below(60 * DAY, 14 * DAY),
              query: secondsUntil(aggregate('min', gaugeOf(AUTHORITY_ROOT_EXPIRY), ['root'])),
            },
          ],
        }),
      ],
    },
    {
      title: 'Traces and secrets',
      panels: [
        timeSeries({
          title: 'Traces passed on',
          description:
            'Ids of kept traces a second that sidecars were told; and those that were not passed on, by reason: their traces may have holes.',
          unit: 'cps',
          width: 6,
          lines: [
            line(perSecond(CONTROL_TRACE_IDS_TOLD, {}), 'told'),
            line(perSecond(CONTROL_TRACE_IDS_DROPPED, {}, ['reason']), ({ reason }) => `dropped: ${reason}`),
          ],
        }),
        timeSeries({
          title: 'Sidecars on the stream',
          description: 'Sidecars that tell each other through the control plane which traces they keep.',
          unit: 'short',
          width: 6,
          lines: [line(total(CONTROL_TRACE_SUBSCRIBERS, {}), 'sidecars')],
        }),
        timeSeries({
          title: 'Secrets stale for',
          description:
            'Since the first refresh that failed. Services go on with the last good secret while its lease lasts.',
          unit: 's',
          width: 6,
          thresholds: above(60, 600),
          lines: [
            line(
              highest(SECRETS_STALE, {}, ['service_name', 'secret']),
              ({ service_name, secret }) => `${service_name} ${secret}`,
            ),
          ],
        }),
        timeSeries({
          title: 'Leases of secrets',
          description:
            'Time left of what Vault has lent. A lease that falls below zero is over, and so is what it was for.',
          unit: 's',
          signed: true,
          width: 6,
          lines: [
            line(
              highest(SECRETS_LEASE, {}, ['service_name', 'secret']),
              ({ service_name, secret }) => `${service_name} ${secret}`,
            ),
          ],
        }),
      ],
    },
  ],
});
