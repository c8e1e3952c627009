import { AUTHORITY_ISSUER_AWAY } from '../../mesh/ca/metrics.ts';
import { CONTROL_TRACE_SUBSCRIBERS } from '../../mesh/control/metrics.ts';
import { SECRETS_LEASE, SECRETS_STALE, SECRETS_VAULT_UP } from '../../mesh/secrets/metrics.ts';
import {
  CERTIFICATE_EXPIRY,
  CERTIFICATE_ISSUED,
  TRUST_REFRESHED,
  TRUST_ROOT_EXPIRY,
} from '../../sidecar/src/observe/sidecar-exposition.ts';
import { type AlertCase, type Series, series } from './case.ts';

const ORDERS = { service_name: 'orders', instance: '10.0.0.7:15000' };
const TEAM = { team: 'mesh' };
const CONTROL_PLANE = 'tulle-control-plane';
const DAY = 86_400;

/** In seconds; time begins at 0. */
function certificate(issued: number, expires: number): Series[] {
  return [
    series(CERTIFICATE_ISSUED, ORDERS, `${issued}x200`),
    series(CERTIFICATE_EXPIRY, ORDERS, `${expires}x200`),
  ];
}

export const CONTROL_CASES: readonly AlertCase[] = [
  {
    alert: 'CertificateExpires',
    firing: {
      // Of an hour, and given out at the beginning: 50 minutes later it is still there.
      series: certificate(-300, 3_600),
      at: '50m',
      expected: [
        {
          labels: { ...TEAM, ...ORDERS, severity: 'page' },
          summary: 'The certificate of orders expires soon and is not replaced.',
          description:
            'The certificate of 10.0.0.7:15000 (orders) ends in 10m 0s, less than a quarter of its life. At its end peers refuse its connections, and every request from and to it fails.',
          dashboard: CONTROL_PLANE,
        },
      ],
    },
    // Just before the end of a third, where a replacement is late and may still come.
    silent: { series: certificate(-300, 3_600), at: '40m' },
  },
  {
    alert: 'RootExpires',
    firing: {
      series: [series(TRUST_ROOT_EXPIRY, ORDERS, `${20 * DAY}x60`)],
      at: '16m',
      expected: [
        {
          labels: { ...TEAM, severity: 'ticket' },
          summary: 'A root that the mesh trusts expires within 30 days.',
          description:
            'The first of the trusted roots ends in 19d 23h 44m 0s. A rotation of the root takes a few lifetimes of certificates: begin it now.',
          dashboard: CONTROL_PLANE,
        },
      ],
    },
    silent: { series: [series(TRUST_ROOT_EXPIRY, ORDERS, `${31 * DAY}x60`)], at: '16m' },
  },
  {
    alert: 'AuthorityAway',
    firing: {
      series: [series(TRUST_REFRESHED, ORDERS, '0+60x10 600x60')],
      at: '40m',
      expected: [
        {
          labels: { ...TEAM, severity: 'ticket', service_name: 'orders' },
          summary: 'The certificate authority does not answer orders.',
          description:
            'The sidecars of orders last heard from the authority 30m 0s ago. Traffic goes on; nobody new can join, denials do not arrive, and certificates run out in the end.',
          dashboard: CONTROL_PLANE,
        },
      ],
    },
    // One of two instances hears it: the authority is there.
    silent: {
      series: [
        series(TRUST_REFRESHED, ORDERS, '0x60'),
        series(TRUST_REFRESHED, { ...ORDERS, instance: '10.0.0.8:15000' }, '0+60x60'),
      ],
      at: '40m',
    },
  },
  {
    alert: 'IssuerAway',
    firing: {
      series: [series(AUTHORITY_ISSUER_AWAY, { service_name: 'ca' }, '0+60x60')],
      at: '10m',
      expected: [
        {
          labels: { ...TEAM, severity: 'page' },
          summary: 'The certificate authority cannot sign.',
          description:
            'What signs for the authority has been away for 10m 0s. No certificate of the mesh is replaced meanwhile; the first of them end after half of their lifetime.',
          dashboard: CONTROL_PLANE,
        },
      ],
    },
    silent: {
      series: [series(AUTHORITY_ISSUER_AWAY, { service_name: 'ca' }, '0 60 120 180 0x60')],
      at: '10m',
    },
  },
  {
    alert: 'ControlPlaneAway',
    firing: {
      series: [series(CONTROL_TRACE_SUBSCRIBERS, { service_name: 'control' }, '4 4 stale')],
      at: '15m',
      expected: [
        {
          labels: { ...TEAM, severity: 'ticket' },
          summary: 'The control plane is away from the sidecars.',
          description:
            'No process of the control plane is there, or no sidecar is connected to it. Traffic goes on; sidecars do not hear which traces the others keep, and `tulle explain` asks nobody.',
          dashboard: CONTROL_PLANE,
        },
      ],
    },
    // A replica without sidecars beside one that has them.
    silent: {
      series: [
        series(CONTROL_TRACE_SUBSCRIBERS, { service_name: 'control', instance: 'a' }, '0x60'),
        series(CONTROL_TRACE_SUBSCRIBERS, { service_name: 'control', instance: 'b' }, '4x60'),
      ],
      at: '15m',
    },
  },
  {
    alert: 'VaultAway',
    firing: {
      series: [series(SECRETS_VAULT_UP, ORDERS, '1 0x60')],
      at: '10m',
      expected: [
        {
          labels: { ...TEAM, ...ORDERS, severity: 'ticket' },
          summary: 'orders cannot use Vault.',
          description:
            '10.0.0.7:15000 (orders) gets no answer from Vault, or may not log in. It goes on with the secrets that it has, until their leases end.',
          dashboard: CONTROL_PLANE,
        },
      ],
    },
    silent: { series: [series(SECRETS_VAULT_UP, ORDERS, '1 0 0 0 1x60')], at: '10m' },
  },
  {
    alert: 'SecretExpires',
    firing: {
      series: [
        series(SECRETS_LEASE, { ...ORDERS, secret: 'redis' }, '3600-60x70'),
        series(SECRETS_STALE, { ...ORDERS, secret: 'redis' }, '0+60x70'),
      ],
      at: '55m',
      expected: [
        {
          labels: { ...TEAM, ...ORDERS, severity: 'page', secret: 'redis' },
          summary: 'Secret redis of orders ends soon and could not be renewed.',
          description:
            'What Vault lent to 10.0.0.7:15000 (orders) as redis ends in 5m 0s. Then whatever it opens refuses orders.',
          dashboard: CONTROL_PLANE,
        },
      ],
    },
    // A lease that is short by nature, and renewed in time.
    silent: {
      series: [
        series(SECRETS_LEASE, { ...ORDERS, secret: 'redis' }, '300x70'),
        series(SECRETS_STALE, { ...ORDERS, secret: 'redis' }, '0x70'),
      ],
      at: '55m',
    },
  },
];
