import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Document } from 'yaml';
import { HANDLING, type Protocol } from '../protocol/protocol.ts';
import type { Address } from './address.ts';
import { formatAddress } from './address.ts';
import { parseConfig } from './load.ts';
import { POLICIES } from './resources.ts';
import type { EndpointConfig, SidecarConfig } from './schema.ts';

const NO_POLICIES = Object.fromEntries(
  Object.keys(POLICIES).map((key) => [key, []]),
) as unknown as SidecarConfig['policies'];

type Mapping = Record<string, unknown>;

const parse = (text: string) => parseConfig([{ file: 'sidecar.yaml', text }], '/etc/tulle');

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/);
const hostName = fc.domain().map((text) => text.toLowerCase());
const ip = fc.oneof(fc.ipV4(), fc.ipV6());
const path = fc.stringMatching(/^\/[ -~]{1,20}$/).filter((text) => resolve(text) === text);
const trustDomain = fc.stringMatching(/^[a-z0-9._-]{1,20}$/);
const otherTrustDomain = trustDomain;
const ratio = fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0);
const baggageKeys = fc.array(fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/), { maxLength: 3 });
const timeoutMs = fc.integer({ min: 1, max: 3_600_000 });

// Fixed addresses differ by port, as one address cannot be listened on twice.
const port = fc.integer({ min: 1, max: 65_535 });
const target: fc.Arbitrary<Address> = fc.record({ host: fc.oneof(ip, hostName), port });
const zone = fc.oneof(fc.constant(''), label);
const endpoint = fc
  .record({ address: target, weight: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 1_000 })), zone })
  .map(({ address, ...rest }): EndpointConfig => ({ ...address, ...rest }));
const anyPort = ip.map((host): Address => ({ host, port: 0 }));
const loopback = fc.record({ host: fc.constantFrom('127.0.0.1', '::1', 'localhost'), port: fc.nat(65_535) });

const protocol = fc.constantFrom(...(Object.keys(HANDLING) as Protocol[]));

const config: fc.Arbitrary<SidecarConfig> = fc
  .record({ hasIdentity: fc.boolean(), trustDomain })
  .chain(({ hasIdentity, trustDomain }) => {
    const mtls = hasIdentity
      ? fc.constantFrom('strict' as const, 'off' as const)
      : fc.constant('off' as const);
    const source = fc.oneof(
      fc.record({
        kind: fc.constant('authority' as const),
        url: target.map((address) => `https://${formatAddress(address)}`),
        rootsFile: path,
        evidence: fc.record({ kind: fc.constantFrom('join-token', 'kubernetes'), file: path }),
        stateDir: fc.option(path),
        foreignTrustDomains: fc.uniqueArray(
          otherTrustDomain.filter((name) => name !== trustDomain),
          { maxLength: 3 },
        ),
      }),
      fc.record({
        kind: fc.constant('files' as const),
        certificateFile: path,
        keyFile: path,
        rootsFile: path,
      }),
    );
    const minTlsVersion = fc.constantFrom(...(['TLSv1.2', 'TLSv1.3'] as const));
    const service = fc
      .record({
        host: fc.oneof(
          fc.ipV4(),
          fc.ipV6().map((text) => `[${text}]`),
          hostName,
        ),
        mtls,
        label,
        protocol: fc.constantFrom(...(['auto', 'http', 'grpc', 'tls'] as const)),
        listen: fc.option(anyPort),
        namespace: label,
        endpoints: fc.array(endpoint, { minLength: 1, maxLength: 3 }),
      })
      .map(({ label, ...rest }) => ({
        ...rest,
        name: rest.host,
        addresses: [],
        identity: rest.mtls === 'strict' ? `spiffe://${trustDomain}/ns/demo/sa/${label}` : null,
      }));
    return fc.record({
      name: label,
      namespace: fc.oneof(label, fc.constant('default')),
      service: label,
      zone,
      identity: hasIdentity
        ? fc.record({ trustDomain: fc.constant(trustDomain), minTlsVersion, source })
        : fc.constant(null),
      control: hasIdentity
        ? fc.option(fc.record({ address: target, identity: fc.constant(`spiffe://${trustDomain}/control`) }))
        : fc.constant(null),
      admin: fc.record({ listen: loopback }),
      inbound: fc.uniqueArray(fc.record({ name: label, listen: anyPort, mtls, protocol, target }), {
        selector: ({ name }) => name,
        maxLength: 3,
      }),
      inboundCapture: fc.constant(null),
      outbound: fc.option(
        fc.record({
          listen: anyPort,
          capture: fc.option(
            fc.record({
              listen: anyPort,
              unknown: fc.constantFrom('passthrough' as const, 'reject' as const),
            }),
          ),
          services: fc.uniqueArray(service, { selector: ({ host }) => host, maxLength: 3 }),
        }),
      ),
      timeouts: fc.record({
        headMs: timeoutMs,
        bodyIdleMs: timeoutMs,
        idleMs: timeoutMs,
        connectMs: timeoutMs,
        upstreamMs: timeoutMs,
        drainMs: timeoutMs,
        detectMs: timeoutMs,
        tcpIdleMs: timeoutMs,
      }),
      headers: fc.record({ requestId: fc.boolean(), forwarded: fc.boolean() }),
      telemetry: fc.record({
        keyPrefixes: fc.boolean(),
        serverTiming: fc.constantFrom('off' as const, 'mesh' as const, 'everyone' as const),
        baggage: fc.record({ fromStrangers: baggageKeys, toStrangers: baggageKeys }),
        metrics: fc.record({
          maxTrafficSeries: fc.integer({ min: 1_000, max: 200_000 }),
          nativeHistograms: fc.boolean(),
        }),
        accessLog: fc.oneof(
          fc.constantFrom({ kind: 'stdout' as const }, { kind: 'off' as const }),
          path.map((value) => ({ kind: 'file' as const, path: value })),
        ),
        audit: fc.record({
          decisions: fc.constantFrom('off' as const, 'refused' as const, 'all' as const),
          path: fc.option(path),
        }),
        traces: fc.option(
          fc.record({
            endpoint: target.map((address) => `http://${formatAddress(address)}`),
            headSampleRatio: ratio,
            intake: fc.option(loopback),
            slowShare: ratio.map((share) => share / 10),
            ringSpans: fc.integer({ min: 1_024, max: 1_048_576 }),
          }),
        ),
      }),
      routes: fc.constant([]),
      accessDefault: fc.constantFrom('allow' as const, 'deny' as const),
      policies: fc.constant(NO_POLICIES),
    });
  });

/** The document a person would write for a config; `terse` leaves out what is the default anyway. */
function toDocument({ name, namespace, service, ...rest }: SidecarConfig, terse: boolean): Mapping {
  const { identity, admin, inbound, outbound, timeouts, headers, telemetry } = rest;
  const metadata: Mapping = terse && namespace === 'default' ? { name } : { name, namespace };
  const spec: Mapping = { service, admin: { listen: formatAddress(admin.listen) }, timeouts };
  if (rest.control !== null) {
    const { address, identity: peer } = rest.control;
    spec.control = { address: formatAddress(address), identity: peer };
  }
  if (rest.zone !== '') spec.zone = rest.zone;
  if (rest.accessDefault !== 'allow' || !terse) spec.access = { default: rest.accessDefault };
  if (identity !== null) spec.identity = toIdentity(identity, terse);
  if (inbound.length > 0 || !terse) {
    spec.inbound = inbound.map((listener) => ({
      name: listener.name,
      ...(listener.listen === null ? {} : { listen: formatAddress(listener.listen) }),
      ...toProtocol(listener.protocol, terse),
      target: formatAddress(listener.target),
      ...toMtls(listener.mtls, terse),
    }));
  }
  if (outbound !== null) {
    spec.outbound = {
      listen: formatAddress(outbound.listen),
      ...(outbound.capture === null
        ? {}
        : {
            capture: { listen: formatAddress(outbound.capture.listen), unknown: outbound.capture.unknown },
          }),
      services: outbound.services.map(
        ({ host, namespace, mtls, protocol, listen, identity: peer, endpoints }) => ({
          host,
          namespace,
          ...toProtocol(protocol, terse),
          ...(listen === null ? {} : { listen: formatAddress(listen) }),
          ...toMtls(mtls, terse),
          ...(peer === null ? {} : { identity: peer }),
          endpoints: endpoints.map(toEndpoint),
        }),
      ),
    };
  }
  spec.headers = Object.fromEntries(
    Object.entries(headers)
      .filter(([, isOn]) => !(terse && isOn))
      .map(([key, isOn]) => [key, isOn ? 'on' : 'off']),
  );
  spec.telemetry = {
    ...(terse && isEmpty(telemetry.baggage) ? {} : { baggage: telemetry.baggage }),
    ...(terse && telemetry.serverTiming === 'off' ? {} : { serverTiming: telemetry.serverTiming }),
    ...(terse && !telemetry.keyPrefixes ? {} : { keyPrefixes: telemetry.keyPrefixes ? 'on' : 'off' }),
    ...(terse && telemetry.accessLog.kind === 'stdout'
      ? {}
      : {
          accessLog:
            telemetry.accessLog.kind === 'file' ? telemetry.accessLog.path : telemetry.accessLog.kind,
        }),
    metrics: { ...telemetry.metrics, nativeHistograms: telemetry.metrics.nativeHistograms ? 'on' : 'off' },
    ...(terse && telemetry.audit.decisions === 'refused' && telemetry.audit.path === null
      ? {}
      : { audit: { decisions: telemetry.audit.decisions, log: telemetry.audit.path ?? 'stdout' } }),
    ...(telemetry.traces === null ? {} : { traces: toTraces(telemetry.traces) }),
  };
  return { apiVersion: 'mesh.tulle.dev/v1alpha1', kind: 'Sidecar', metadata, spec };
}

function isEmpty({ fromStrangers, toStrangers }: SidecarConfig['telemetry']['baggage']): boolean {
  return fromStrangers.length + toStrangers.length === 0;
}

function toMtls(mtls: string, terse: boolean): Mapping {
  return terse && mtls === 'strict' ? {} : { mtls };
}

function toEndpoint(endpoint: EndpointConfig): unknown {
  const { weight, zone } = endpoint;
  const address = formatAddress(endpoint);
  if (weight === 1 && zone === '') return address;
  return { address, weight, ...(zone === '' ? {} : { zone }) };
}

function toProtocol(protocol: string, terse: boolean): Mapping {
  return terse && protocol === 'auto' ? {} : { protocol };
}

function toIdentity(
  { trustDomain, minTlsVersion, source }: NonNullable<SidecarConfig['identity']>,
  terse: boolean,
): Mapping {
  const identity = { trustDomain, ...(!(terse && minTlsVersion === 'TLSv1.3') && { minTlsVersion }) };
  if (source.kind === 'authority') {
    const { url, rootsFile, evidence, stateDir, foreignTrustDomains } = source;
    const tokenKey = evidence.kind === 'join-token' ? 'tokenFile' : 'podTokenFile';
    const kept = stateDir === null ? {} : { stateDir };
    const foreign = terse && foreignTrustDomains.length === 0 ? {} : { foreignTrustDomains };
    return { ...identity, authority: { url, rootsFile, [tokenKey]: evidence.file, ...kept, ...foreign } };
  }
  const { certificateFile, keyFile, rootsFile } = source;
  return { ...identity, files: { certificate: certificateFile, key: keyFile, roots: rootsFile } };
}

function toTraces({ intake, ...rest }: NonNullable<SidecarConfig['telemetry']['traces']>): Mapping {
  return intake === null ? rest : { ...rest, intake: formatAddress(intake) };
}

function toYaml(document: Mapping, flow = false): string {
  const yaml = new Document(document, { aliasDuplicateObjects: false });
  return yaml.toString({ lineWidth: 0, collectionStyle: flow ? 'flow' : 'block' });
}

/** Every mapping of the document, with the way to it. */
function findMappings(value: unknown, at: string): { mapping: Mapping; at: string }[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => findMappings(item, `${at}[${index}]`));
  if (typeof value !== 'object' || value === null) return [];
  const inner = Object.entries(value).flatMap(([key, child]) =>
    findMappings(child, at === '' ? key : `${at}.${key}`),
  );
  return [{ mapping: value as Mapping, at }, ...inner];
}

describe('parseConfig', () => {
  test('gives back any valid config, however its YAML is written', () => {
    fc.assert(
      fc.property(config, fc.boolean(), fc.boolean(), (wanted, terse, flow) => {
        const text = toYaml(toDocument(wanted, terse), flow);
        const result = parse(text);
        expect(result.ok ? result.config : result.problems).toEqual(wanted);
      }),
    );
  });

  test('reports a single unknown key anywhere, with its line, and nothing else', () => {
    const key = fc.oneof(
      fc.constantFrom('__proto__', 'constructor', 'toString', '<<', 'Name', 'status', '0'),
      fc.stringMatching(/^[a-zA-Z_]{1,12}$/),
    );
    fc.assert(
      fc.property(config, key, fc.nat(), fc.nat(), (wanted, unknown, mappingSeed, positionSeed) => {
        const document = toDocument(wanted, false);
        const mappings = findMappings(document, '');
        const { mapping, at } = mappings[mappingSeed % mappings.length] ?? { mapping: document, at: '' };
        // Known keys of the same mapping would repeat a key or mean something.
        fc.pre(!KNOWN.has(unknown));

        const entries = Object.entries(mapping);
        entries.splice(positionSeed % (entries.length + 1), 0, ['UNKNOWN-KEY', 'x']);
        for (const name of Object.keys(mapping)) delete mapping[name];
        for (const [name, value] of entries) mapping[name] = value;
        const marked = toYaml(document);
        const line = marked.slice(0, marked.indexOf('UNKNOWN-KEY')).split('\n').length;

        const result = parse(marked.replace('UNKNOWN-KEY', JSON.stringify(unknown)));
        expect(result.ok).toBe(false);
        if (result.ok) return;
        const problemPath = /^[A-Za-z_]\w*$/.test(unknown)
          ? `${at === '' ? '' : `${at}.`}${unknown}`
          : `${at}["${unknown}"]`;
        expect(result.problems).toMatchObject([{ line, path: problemPath, message: 'is not a known key' }]);
      }),
    );
  });

  test('never throws, whatever is done to a file', () => {
    fc.assert(
      fc.property(
        config,
        fc.nat(),
        fc.nat(40),
        fc.string({ unit: 'binary', maxLength: 8 }),
        (wanted, at, cut, insert) => {
          const text = toYaml(toDocument(wanted, false));
          const start = at % text.length;
          const result = parse(text.slice(0, start) + insert + text.slice(start + cut));
          if (result.ok) return;
          for (const { line, column, message } of result.problems) {
            expect(line).toBeGreaterThanOrEqual(1);
            expect(column).toBeGreaterThanOrEqual(1);
            expect(message).not.toBe('');
          }
        },
      ),
    );
  });
});

const KNOWN = new Set(
  (
    'apiVersion kind metadata spec name namespace service identity trustDomain minTlsVersion authority url rootsFile tokenFile podTokenFile stateDir foreignTrustDomains files ' +
    'certificate key roots control admin listen inbound mtls target outbound services host endpoints timeouts headMs bodyIdleMs ' +
    'idleMs connectMs upstreamMs drainMs detectMs tcpIdleMs protocol capture unknown inboundCapture addresses headers zone weight address requestId forwarded telemetry accessLog audit decisions log keyPrefixes serverTiming baggage fromStrangers toStrangers metrics maxTrafficSeries nativeHistograms traces endpoint headSampleRatio intake slowShare ringSpans'
  ).split(' '),
);
