import { expect, test } from 'vitest';
import { parseConfig } from '../../config/load.ts';
import { formatProblem } from '../../config/problem.ts';

const SIDECAR = `apiVersion: mesh.tulle.dev/v1alpha1
kind: Sidecar
metadata: { name: orders-1, namespace: demo }
spec: { service: orders, inbound: [{ name: http, listen: '127.0.0.1:0', mtls: off, target: '127.0.0.1:8080' }] }
`;
const WINDOWS = 'windows: [{ quota: 10, windowSeconds: 1 }]';

function load(spec: string) {
  const policy = `apiVersion: mesh.tulle.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: tenants }
spec:
  targetRefs: [{ kind: Service, name: orders }]
${spec.replace(/^/gm, '  ')}
`;
  return parseConfig([{ file: 'mesh.yaml', text: `${SIDECAR}---\n${policy}` }], '/etc/tulle');
}

const problemsOf = (spec: string) => {
  const result = load(spec);
  return result.ok ? [] : result.problems.map(formatProblem).map((line) => line.replace(/^.*?spec\./, ''));
};

test('a policy says little when it needs little', () => {
  const result = load(`limits: [{ name: a, ${WINDOWS} }]`);
  expect(result.ok && result.config.policies.rateLimit[0]).toMatchObject({
    name: 'tenants',
    namespace: 'demo',
    spec: {
      mode: 'enforce',
      onFailure: 'local',
      fields: { rateLimit: 'on', xRateLimit: 'off' },
      limits: [
        {
          scope: 'local',
          key: [],
          windows: [{ quota: 10, windowSeconds: 1, burst: 10 }],
          cost: { units: 1 },
        },
      ],
    },
  });
});

test('files of a store are found beside the config', () => {
  const result = load(
    `limits: [{ name: a, scope: global, ${WINDOWS} }]\nredis: { endpoints: ['redis:6379'], passwordFile: secrets/redis }`,
  );
  expect(result.ok && result.config.policies.rateLimit[0]?.spec.redis?.passwordFile).toBe(
    '/etc/tulle/secrets/redis',
  );
});

test.each([
  [`limits: [{ name: a, scope: global, ${WINDOWS} }]`, 'limits[0].scope: is global, which needs `redis`'],
  [
    `limits: [{ name: a, scope: global, ${WINDOWS} }]\nredis: { endpoints: ['r:1'], username: a, credentialsFile: c }`,
    'redis.credentialsFile: holds user and password, so `username` and `passwordFile` have to go',
  ],
  [
    `limits: [{ name: a, ${WINDOWS} }]\nredis: { endpoints: ['redis:6379'] }`,
    'redis: has no effect: no limit is global',
  ],
  [
    `limits: [{ name: a, ${WINDOWS} }, { name: a, ${WINDOWS} }]`,
    'limits[1].name: is the name of another limit',
  ],
  [
    `limits: [{ name: a, windows: [{ quota: 1000000, windowSeconds: 1 }] }]`,
    'limits[0].windows[0].quota: must not be more than 100000 a second',
  ],
  [
    `limits: [{ name: a, windows: [{ quota: 1, windowSeconds: 1 }, { quota: 2, windowSeconds: 1 }] }]`,
    'limits[0].windows: must not have two windows of the same length',
  ],
  [
    `limits: [{ name: a, windows: [{ quota: 10, windowSeconds: 1, burst: 3 }], cost: { header: x-units, max: 4 } }]`,
    'limits[0].cost: may be 4, which is more than the burst of a window: such a request never passes',
  ],
  [
    `limits: [{ name: a, key: [{ header: x-tenant }], ${WINDOWS}, exempt: [{ tenant: acme }] }]`,
    'limits[0].exempt[0].tenant: is no part of the key (x-tenant)',
  ],
  [
    `limits: [{ name: a, key: [{ header: x-a }, { header: X-A }], ${WINDOWS} }]`,
    'limits[0].key[1]: is the second part of the name "x-a"',
  ],
  [`limits: [{ name: a, ${WINDOWS} }]\nmode: dry`, 'mode: must be off or shadow or enforce, not "dry"'],
  [
    `limits: [{ name: a, scope: global, ${WINDOWS} }]\nredis: { endpoints: ['a:1', 'b:2'] }`,
    'redis.endpoints: must be one, unless `cluster: on`',
  ],
  [
    `limits: [{ name: a, scope: global, ${WINDOWS} }]\nredis: { endpoints: ['a'] }`,
    'redis.endpoints[0]: must be host:port',
  ],
])('%s is refused', (spec, problem) => {
  expect(problemsOf(spec)).toEqual([problem]);
});
