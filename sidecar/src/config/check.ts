/**
 * Rules that span several keys. They read the raw document and skip whatever has the wrong shape, so that they hold
 * even while other parts of the file are still wrong, and everything is reported in one go.
 */

import { parseSpiffeId } from '../identity/spiffe-id.ts';
import { HANDLING, PROTOCOL_NAMES, type Protocol, protocolNamed, UNTELLABLE } from '../protocol/protocol.ts';
import type { Finding } from './explain.ts';
import type { KeyPath } from './problem.ts';
import { formatPath, quote } from './problem.ts';

/** A value of the document and where it stands; `value` is undefined where nothing stands. */
type Place = { readonly path: KeyPath; readonly value: unknown };

export function checkDocument(document: unknown): Finding[] {
  // Own keys only and no types trusted: this document may be wrong in any way.
  const spec = child({ path: [], value: document }, 'spec');
  const identity = child(spec, 'identity');
  const outbound = child(spec, 'outbound');
  const inbound = items(child(spec, 'inbound'));
  const inboundCapture = child(spec, 'inboundCapture');
  const outboundCapture = child(outbound, 'capture');
  const services = items(child(outbound, 'services'));
  const listening = [
    child(spec, 'admin'),
    ...inbound,
    inboundCapture,
    outbound,
    outboundCapture,
    ...services,
  ];
  const listeners = listening.map((place) => child(place, 'listen'));

  return [
    ...checkIdentity(identity),
    ...checkControl(child(spec, 'control'), identity),
    ...[...inbound, ...services].flatMap((place) => checkMtls(place, identity)),
    ...inbound.flatMap(checkPermissive),
    ...services.flatMap((place) => checkPeer(place, identity)),
    ...findRepeated(
      inbound.map((place) => child(place, 'name')),
      'give every listener a name of its own',
    ),
    ...findRepeated(
      services.map((place) => child(place, 'host')),
      'list all endpoints of a host under one service',
    ),
    ...checkCapture(inbound, inboundCapture),
    ...services.flatMap((place) => checkReach(place, outboundCapture)),
    ...findRepeated(
      services.flatMap((place) => items(child(place, 'addresses'))),
      'an address can mean one service only',
    ),
    // Port 0 asks for any free port, as often as one likes.
    ...findRepeated(
      listeners.filter(({ value }) => typeof value === 'string' && !/:0+$/.test(value)),
      'use another port, or 0 for any free one',
    ),
  ];
}

/** Two sources would leave open which one counts, and none is no identity. */
function checkIdentity(identity: Place): Finding[] {
  const authority = child(identity, 'authority');
  return [
    ...requireOne(
      identity,
      ['authority', 'files'],
      'use authority for certificates from the mesh CA, files for certificates of your own',
    ),
    ...requireOne(
      authority,
      ['tokenFile', 'podTokenFile'],
      'use podTokenFile in pods of Kubernetes, tokenFile for a join token elsewhere',
    ),
    ...checkForeign(child(authority, 'foreignTrustDomains'), child(identity, 'trustDomain').value),
  ];
}

function checkForeign({ path, value }: Place, trustDomain: unknown): Finding[] {
  if (!Array.isArray(value) || !value.includes(trustDomain)) return [];
  return [
    {
      path: [...path, value.indexOf(trustDomain)],
      message: 'is the own trust domain, which is no foreign one',
      suggestion: 'remove it',
      at: 'value',
    },
  ];
}

function requireOne(place: Place, keys: readonly [string, string], suggestion: string): Finding[] {
  if (!isMapping(place.value)) return [];
  const given = keys.filter((key) => child(place, key).value !== undefined).length;
  if (given === 1) return [];
  const message = `must have exactly one of ${keys.join(' and ')}, and has ${given === 0 ? 'neither' : 'both'}`;
  return [{ path: place.path, message, suggestion, at: 'key' }];
}

/** The control plane learns what happens here, so both sides prove who they are. */
function checkControl(control: Place, identity: Place): Finding[] {
  if (control.value === undefined) return [];
  if (identity.value === undefined) {
    const message = 'needs spec.identity: the sidecar has to prove to the control plane who it is';
    return [{ path: control.path, message, suggestion: 'add spec.identity', at: 'key' }];
  }
  return checkTrustDomain(child(control, 'identity'), child(identity, 'trustDomain').value);
}

/** Both sides prove themselves in mTLS, so a sidecar without an identity can neither take nor make a connection. */
function checkMtls(place: Place, identity: Place): Finding[] {
  const mtls = child(place, 'mtls');
  const proves = isStrict(place) || mtls.value === 'permissive';
  if (!proves || identity.value !== undefined) return [];
  return [
    {
      path: mtls.path,
      message: `is ${mtls.value === undefined ? 'strict by default' : mtls.value}, but the sidecar has no spec.identity to prove who it is`,
      suggestion: 'add spec.identity, or set `mtls: off`',
      at: 'value',
    },
  ];
}

/** The first byte tells who speaks in clear, so there has to be one that does. */
function checkPermissive(entry: Place): Finding[] {
  const { path, value } = child(entry, 'mtls');
  const protocol = protocolOf(entry);
  const reason = UNTELLABLE[protocol];
  if (value !== 'permissive' || reason === undefined) return [];
  return [
    {
      path,
      message: `is permissive, but ${protocol} ${reason}, so that nobody could speak it in clear here`,
      suggestion: 'set `mtls: strict`, or off until all peers are in the mesh',
      at: 'value',
    },
  ];
}

/** A verified peer of no particular identity would be any workload of the mesh, so each service says who it expects. */
function checkPeer(service: Place, identity: Place): Finding[] {
  const { path, value } = child(service, 'identity');
  if (isStrict(service) && value === undefined) {
    return [
      {
        path,
        message: 'is required with mtls strict: it says who the peer must be',
        suggestion: 'write `identity: spiffe://<trust domain>/ns/<namespace>/sa/<service account>`',
        at: 'parent',
      },
    ];
  }
  if (child(service, 'mtls').value === 'off' && value !== undefined) {
    return [
      {
        path,
        message: 'has no effect with mtls off, as nothing would verify the peer',
        suggestion: 'set `mtls: strict`, or remove the identity',
        at: 'key',
      },
    ];
  }
  const foreign = child(child(identity, 'authority'), 'foreignTrustDomains').value;
  const accepted = Array.isArray(foreign) ? foreign : [];
  return checkTrustDomain(child(service, 'identity'), child(identity, 'trustDomain').value, accepted);
}

/** Roots vouch for one trust domain: believing them about another would let it be impersonated. */
function checkTrustDomain(
  { path, value }: Place,
  trustDomain: unknown,
  foreign: readonly unknown[] = [],
): Finding[] {
  if (typeof value !== 'string' || typeof trustDomain !== 'string') return [];
  const peer = parseSpiffeId(value);
  if (typeof peer === 'string' || [trustDomain, ...foreign].includes(peer.trustDomain)) return [];
  return [
    {
      path,
      message: `is in trust domain ${peer.trustDomain}, while spec.identity trusts ${[trustDomain, ...foreign].map(quote).join(', ')} alone`,
      suggestion: `did you mean "spiffe://${trustDomain}${peer.path}"?`,
      at: 'value',
    },
  ];
}

/** A captured connection is known by the port that it was meant for, so that has to lead to one entry. */
function checkCapture(inbound: readonly Place[], capture: Place): Finding[] {
  if (capture.value === undefined) {
    return inbound
      .filter((place) => isMapping(place.value) && child(place, 'listen').value === undefined)
      .map((place) => ({
        path: child(place, 'listen').path,
        message: 'is required without spec.inboundCapture: nothing would lead here',
        suggestion: 'write `listen: 0.0.0.0:15006`, or the address that peers connect to',
        at: 'parent',
      }));
  }
  const first = new Map<string, KeyPath>();
  return inbound.flatMap((place) => {
    const { path, value } = child(place, 'target');
    const port = typeof value === 'string' ? /:(\d+)$/.exec(value)?.[1] : undefined;
    if (port === undefined) return [];
    const earlier = first.get(port);
    if (earlier === undefined) {
      first.set(port, path);
      return [];
    }
    return [
      {
        path,
        message: `has the port of ${formatPath(earlier)}, by which captured connections are told apart`,
        suggestion: 'keep one of the two entries',
        at: 'value' as const,
      },
    ];
  });
}

/** Host and server name lead to a service that speaks HTTP or TLS; to any other, only an address does. */
function checkReach(service: Place, capture: Place): Finding[] {
  const addresses = child(service, 'addresses');
  const hasAddresses = Array.isArray(addresses.value) && addresses.value.length > 0;
  if (hasAddresses && capture.value === undefined) {
    return [
      {
        path: addresses.path,
        message: 'has no effect without spec.outbound.capture, as no connection to them gets here',
        suggestion: 'add `capture: { listen: 127.0.0.1:15001 }` to spec.outbound, or remove the addresses',
        at: 'key',
      },
    ];
  }
  const { path, value } = child(service, 'protocol');
  const protocol = protocolOf(service);
  if (HANDLING[protocol] !== 'tcp' || protocol === 'tls' || hasAddresses) return [];
  if (child(service, 'listen').value !== undefined) return [];
  return [
    {
      path,
      message: `is ${quote(value)}, which names no host, so nothing leads to this service`,
      suggestion: 'add `listen` for a listener of its own, or `addresses` to capture',
      at: 'value',
    },
  ];
}

/** Case is ignored, as it is in host names; listener names have none. */
function findRepeated(places: readonly Place[], suggestion: string): Finding[] {
  const first = new Map<string, KeyPath>();
  const findings: Finding[] = [];
  for (const { path, value } of places) {
    if (typeof value !== 'string') continue;
    const key = value.toLowerCase();
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, path);
    else findings.push({ path, message: `repeats ${formatPath(earlier)}`, suggestion, at: 'value' });
  }
  return findings;
}

function isStrict(place: Place): boolean {
  const mtls = child(place, 'mtls').value;
  return isMapping(place.value) && (mtls === undefined || mtls === 'strict');
}

/** What is wrong with it somebody else says. */
function protocolOf(place: Place): Protocol {
  const { value } = child(place, 'protocol');
  return typeof value === 'string' && PROTOCOL_NAMES.includes(value) ? protocolNamed(value) : 'auto';
}

/** Steps into anything: what is no mapping, or lacks the key, just has nothing there. */
function child({ path, value }: Place, key: string): Place {
  return {
    path: [...path, key],
    value: isMapping(value) && Object.hasOwn(value, key) ? value[key] : undefined,
  };
}

function items({ path, value }: Place): Place[] {
  return Array.isArray(value)
    ? value.map((item: unknown, index) => ({ path: [...path, index], value: item }))
    : [];
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
