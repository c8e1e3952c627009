/**
 * A config that uses most keys, for tests that change one thing in it. Line and column numbers in the tests are of this text.
 */
import { expect } from 'vitest';
import { parseConfig } from './load.ts';
import { formatProblem } from './problem.ts';

export const EXAMPLE = `apiVersion: mesh.tulle.dev/v1alpha1
kind: Sidecar
metadata: { name: gateway-1, namespace: demo }
spec:
  service: gateway
  identity:
    trustDomain: demo.tulle.test
    authority:
      url: https://127.0.0.1:9443
      rootsFile: roots.pem
      tokenFile: join-token
  admin: { listen: 127.0.0.1:0 }
  inbound:
    - { name: http, listen: 127.0.0.1:0, mtls: strict, target: 127.0.0.1:8080 }
  outbound:
    listen: 127.0.0.1:0
    services:
      - host: webhook-dispatcher
        mtls: strict
        identity: spiffe://demo.tulle.test/ns/demo/sa/webhook-dispatcher
        endpoints: [127.0.0.1:15006, "[::1]:15006"]
  timeouts: { headMs: 10000, bodyIdleMs: 30000 }
  telemetry:
    accessLog: logs/access.log
    traces: { endpoint: http://127.0.0.1:4317, headSampleRatio: 0.01 }
`;

export const FILES_LINE = '    files: { certificate: svid.pem, key: /run/svid.key, roots: roots.pem }\n';
export const AUTHORITY = EXAMPLE.slice(EXAMPLE.indexOf('    authority:'), EXAMPLE.indexOf('  admin:'));
export const IDENTITY = EXAMPLE.slice(EXAMPLE.indexOf('  identity:\n'), EXAMPLE.indexOf('  admin:'));

export function parse(text: string) {
  return parseConfig([{ file: 'sidecar.yaml', text }], '/etc/tulle');
}

export function problemsOf(text: string): string[] {
  const result = parse(text);
  return result.ok
    ? []
    : result.problems.map((problem) => formatProblem(problem).replace('sidecar.yaml:', ''));
}

/** The example with one place changed; the place must be there, or the test would prove nothing. */
export function edit(from: string, to: string): string {
  expect(EXAMPLE).toContain(from);
  return EXAMPLE.replace(from, to);
}
