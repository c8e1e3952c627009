/**
 * Alerts on what sidecars need from time to time: certificates, secrets, the control plane.
 */
import { AUTHORITY_ISSUER_AWAY } from '../../mesh/ca/metrics.ts';
import { CONTROL_TRACE_SUBSCRIBERS } from '../../mesh/control/metrics.ts';
import { SECRETS_LEASE, SECRETS_STALE, SECRETS_VAULT_UP } from '../../mesh/secrets/metrics.ts';
import {
  CERTIFICATE_EXPIRY,
  CERTIFICATE_ISSUED,
  TRUST_REFRESHED,
  TRUST_ROOT_EXPIRY,
} from '../../sidecar/src/observe/sidecar-exposition.ts';
import {
  absent,
  aggregate,
  and,
  gaugeOf,
  minus,
  or,
  secondsSince,
  secondsUntil,
  times,
  where,
} from './promql.ts';
import { type Alert, defineAlert } from './rule.ts';

const TEAM = { team: 'mesh' } as const;
const CONTROL_PLANE = () => ({ name: 'control-plane' });
const DAY_SECONDS = 86_400;

export interface ControlLimits {
  /** How long the authority may be silent: more than twice its `trustRefreshSeconds`. */
  readonly authoritySilentSeconds: number;
}

export function controlAlerts({ authoritySilentSeconds }: ControlLimits): readonly Alert[] {
  return [
    certificateExpires,
    rootExpires,
    authorityAway(authoritySilentSeconds),
    issuerAway,
    controlPlaneAway,
    vaultAway,
    secretExpires,
  ];
}

const certificateExpires = defineAlert({
  ...TEAM,
  name: 'CertificateExpires',
  severity: 'page',
  // It is replaced at half of its life, which begins five minutes before it is given out, and its authority may be away for a tenth of it.
  expression: where(
    secondsUntil(gaugeOf(CERTIFICATE_EXPIRY)),
    '<',
    times(minus(minus(gaugeOf(CERTIFICATE_EXPIRY), gaugeOf(CERTIFICATE_ISSUED)), 300), 0.25),
  ),
  holds: '0s',
  summary: ({ labels }) => `The certificate of ${labels.service_name} expires soon and is not replaced.`,
  description: ({ labels, duration }) =>
    `The certificate of ${labels.instance} (${labels.service_name}) ends in ${duration}, less than a quarter of its life. At its end peers refuse its connections, and every request from and to it fails.`,
  dashboard: CONTROL_PLANE,
});

const rootExpires = defineAlert({
  ...TEAM,
  name: 'RootExpires',
  severity: 'ticket',
  expression: where(secondsUntil(aggregate('min', gaugeOf(TRUST_ROOT_EXPIRY))), '<', 30 * DAY_SECONDS),
  holds: '15m',
  summary: () => 'A root that the mesh trusts expires within 30 days.',
  description: ({ duration }) =>
    `The first of the trusted roots ends in ${duration}. A rotation of the root takes a few lifetimes of certificates: begin it now.`,
  dashboard: CONTROL_PLANE,
});

const authorityAway = (awaySeconds: number) =>
  defineAlert({
    ...TEAM,
    name: 'AuthorityAway',
    severity: 'ticket',
    expression: where(
      secondsSince(aggregate('max', gaugeOf(TRUST_REFRESHED), ['service_name'])),
      '>',
      awaySeconds,
    ),
    holds: '5m',
    summary: ({ labels }) => `The certificate authority does not answer ${labels.service_name}.`,
    description: ({ labels, duration }) =>
      `The sidecars of ${labels.service_name} last heard from the authority ${duration} ago. Traffic goes on; nobody new can join, denials do not arrive, and certificates run out in the end.`,
    dashboard: CONTROL_PLANE,
  });

const issuerAway = defineAlert({
  ...TEAM,
  name: 'IssuerAway',
  severity: 'page',
  expression: where(aggregate('max', gaugeOf(AUTHORITY_ISSUER_AWAY)), '>', 300),
  holds: '0s',
  summary: () => 'The certificate authority cannot sign.',
  description: ({ duration }) =>
    `What signs for the authority has been away for ${duration}. No certificate of the mesh is replaced meanwhile; the first of them end after half of their lifetime.`,
  dashboard: CONTROL_PLANE,
});

const controlPlaneAway = defineAlert({
  ...TEAM,
  name: 'ControlPlaneAway',
  severity: 'ticket',
  expression: or(
    where(aggregate('sum', gaugeOf(CONTROL_TRACE_SUBSCRIBERS)), '==', 0),
    absent(gaugeOf(CONTROL_TRACE_SUBSCRIBERS)),
  ),
  holds: '5m',
  summary: () => 'The control plane is away from the sidecars.',
  description: () =>
    'No process of the control plane is there, or no sidecar is connected to it. Traffic goes on; sidecars do not hear which traces the others keep, and `tulle explain` asks nobody.',
  dashboard: CONTROL_PLANE,
});

const vaultAway = defineAlert({
  ...TEAM,
  name: 'VaultAway',
  severity: 'ticket',
  expression: where(gaugeOf(SECRETS_VAULT_UP), '==', 0),
  holds: '5m',
  summary: ({ labels }) => `${labels.service_name} cannot use Vault.`,
  description: ({ labels }) =>
    `${labels.instance} (${labels.service_name}) gets no answer from Vault, or may not log in. It goes on with the secrets that it has, until their leases end.`,
  dashboard: CONTROL_PLANE,
});

const secretExpires = defineAlert({
  ...TEAM,
  name: 'SecretExpires',
  severity: 'page',
  expression: and(where(gaugeOf(SECRETS_LEASE), '<', 600), where(gaugeOf(SECRETS_STALE), '>', 0)),
  holds: '0s',
  summary: ({ labels }) =>
    `Secret ${labels.secret} of ${labels.service_name} ends soon and could not be renewed.`,
  description: ({ labels, duration }) =>
    `What Vault lent to ${labels.instance} (${labels.service_name}) as ${labels.secret} ends in ${duration}. Then whatever it opens refuses ${labels.service_name}.`,
  dashboard: CONTROL_PLANE,
});
