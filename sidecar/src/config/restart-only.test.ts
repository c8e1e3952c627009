import { expect, test } from 'vitest';
import { parseConfig } from './load.ts';
import { formatPath } from './problem.ts';
import { findRestartOnly } from './restart-only.ts';
import type { SidecarConfig } from './schema.ts';

const RUNNING = `apiVersion: mesh.tulle.dev/v1alpha1
kind: Sidecar
metadata: { name: a, namespace: demo }
spec:
  service: a
  identity:
    trustDomain: demo
    files: { certificate: c.pem, key: k.pem, roots: r.pem }
  admin: { listen: 127.0.0.1:0 }
  inbound:
    - { name: http, listen: 127.0.0.1:0, target: 127.0.0.1:8080 }
    - { name: grpc, listen: 127.0.0.1:0, target: 127.0.0.1:8081 }
  inboundCapture: { listen: 127.0.0.1:0 }
  outbound:
    listen: 127.0.0.1:0
    capture: { listen: 127.0.0.1:0 }
    services:
      - { host: b, listen: 127.0.0.1:0, mtls: off, endpoints: [127.0.0.1:1] }
  timeouts: { headMs: 1000 }
  telemetry:
    accessLog: stdout
    traces: { endpoint: http://127.0.0.1:4317, headSampleRatio: 0.5 }
`;

function load(text: string): SidecarConfig {
  const result = parseConfig([{ file: 'sidecar.yaml', text }], '/');
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.config;
}

function pathsAfter(from: string, to: string): string[] {
  expect(RUNNING).toContain(from);
  return findRestartOnly(load(RUNNING), load(RUNNING.replace(from, to))).map(({ path }) => formatPath(path));
}

test.each([
  ['name: a,', 'name: b,', 'metadata.name'],
  [', namespace: demo', '', 'metadata.namespace'],
  ['service: a', 'service: b', 'spec.service'],
  ['trustDomain: demo', 'trustDomain: prod', 'spec.identity'],
  ['key: k.pem', 'key: other.pem', 'spec.identity'],
  ['admin: { listen: 127.0.0.1:0 }', 'admin: { listen: 127.0.0.1:1 }', 'spec.admin.listen'],
  ['http, listen: 127.0.0.1:0', 'http, listen: 127.0.0.2:0', 'spec.inbound[0].listen'],
  ['grpc, listen: 127.0.0.1:0', 'grpc, mtls: off, listen: 127.0.0.1:0', 'spec.inbound[1].mtls'],
  ['    listen: 127.0.0.1:0', '    listen: 127.0.0.1:1', 'spec.outbound.listen'],
  [RUNNING.slice(RUNNING.indexOf('  outbound:'), RUNNING.indexOf('  timeouts:')), '', 'spec.outbound.listen'],
  ['target: 127.0.0.1:8080', 'protocol: http, target: 127.0.0.1:8080', 'spec.inbound[0].protocol'],
  [', listen: 127.0.0.1:0, target: 127.0.0.1:8080', ', target: 127.0.0.1:8080', 'spec.inbound[0].listen'],
  ['  inboundCapture: { listen: 127.0.0.1:0 }\n', '', 'spec.inboundCapture.listen'],
  ['    capture: { listen: 127.0.0.1:0 }\n', '', 'spec.outbound.capture.listen'],
  ['{ host: b, listen: 127.0.0.1:0,', '{ host: b,', 'spec.outbound.services[0].listen'],
  ['{ host: b, listen: 127.0.0.1:0,', '{ host: b, listen: 127.0.0.1:1,', 'spec.outbound.services[0].listen'],
  ['accessLog: stdout', 'accessLog: off', 'spec.telemetry.accessLog'],
  ['headSampleRatio: 0.5 }', 'ringSpans: 2048 }', 'spec.telemetry.traces.ringSpans'],
  ['127.0.0.1:4317', '127.0.0.1:4318', 'spec.telemetry.traces.endpoint'],
  [
    '    traces: { endpoint: http://127.0.0.1:4317, headSampleRatio: 0.5 }\n',
    '',
    'spec.telemetry.traces.endpoint',
  ],
])('from %j to %j takes a restart', (from, to, path) => {
  expect(pathsAfter(from, to)).toEqual([path]);
});

test('so do adding and removing a listener', () => {
  const findings = findRestartOnly(load(RUNNING), load(RUNNING.replace('name: grpc', 'name: web')));
  expect(findings).toMatchObject([
    { path: ['spec', 'inbound', 1], message: 'cannot add the listener "web" while the sidecar runs' },
    { path: ['spec', 'inbound'], message: 'cannot remove the listener "grpc" while the sidecar runs' },
  ]);
});

test('so does removing a service with a listener', () => {
  const findings = findRestartOnly(
    load(RUNNING),
    load(RUNNING.replace('host: b, listen: 127.0.0.1:0', 'host: c')),
  );
  expect(findings).toMatchObject([
    {
      path: ['spec', 'outbound', 'services'],
      message: 'cannot remove the service "b", which has a listener, while the sidecar runs',
    },
  ]);
});

test.each([
  ['target: 127.0.0.1:8080', 'target: 127.0.0.1:8082'],
  ['endpoints: [127.0.0.1:1] }', 'protocol: redis, endpoints: [127.0.0.1:2] }'],
  [
    'endpoints: [127.0.0.1:1] }',
    'endpoints: [127.0.0.1:1] }\n      - { host: c, mtls: off, endpoints: [127.0.0.1:2] }',
  ],
  ['    capture: { listen: 127.0.0.1:0 }', '    capture: { listen: 127.0.0.1:0, unknown: reject }'],
  ['headMs: 1000', 'drainMs: 5'],
  ['headSampleRatio: 0.5', 'headSampleRatio: 1'],
  ['mtls: off, ', 'mtls: strict, identity: spiffe://demo/ns/demo/sa/b, '],
])('from %j to %j does not', (from, to) => {
  expect(pathsAfter(from, to)).toEqual([]);
});

test('nor does another order of the listeners', () => {
  const [http = '', grpc = ''] = RUNNING.match(/ {4}- \{ name.*\n/g) ?? [];
  expect(pathsAfter(http + grpc, grpc + http)).toEqual([]);
});
