// Cases of the Gateway API's mesh profiles that take more than one request to see, or more than its answer: shares, copies, times.
import { once } from 'node:events';
import http from 'node:http';
import { afterEach, expect, test } from 'vitest';
import type { Sidecar } from '../../sidecar/src/app.ts';
import { parent, service, V1, V2 } from './case.ts';
import { type EchoWorld, type Seen, startEchoWorld } from './echo-world.ts';

let world: EchoWorld;
afterEach(() => world.stop());

async function start(
  rules: Record<string, unknown>[],
  documents: Record<string, unknown>[] = [],
): Promise<void> {
  world = await startEchoWorld({ kind: 'HTTPRoute', routes: [{ parentRefs: [parent()], rules }], documents });
}

async function ask(path: string, body = '', method = body === '' ? 'GET' : 'POST') {
  const request = http.request({
    ...{ host: '127.0.0.1', port: world.sidecar.outboundPort as number, path, method, agent: false },
    headers: { host: 'echo', 'content-length': Buffer.byteLength(body) },
  });
  request.end(body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.setEncoding('utf8');
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode ?? 0, body: JSON.parse(text) };
}

async function metric({ adminPort }: Sidecar, name: string, ...labels: string[]): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

function countOf(seen: readonly Seen[], backend: string): number {
  return seen.filter((request) => request.backend === backend).length;
}

/** How far a count may be from its expectation: five standard deviations, which one run in a million exceeds. */
function spread(count: number, share: number): number {
  return 5 * Math.sqrt(count * share * (1 - share));
}

test('MeshHTTPRouteWeight: requests are shared in proportion to weights, and the share of a backend that is gone fails', async () => {
  await start([
    {
      backendRefs: [
        service('echo-v1', { weight: 70 }),
        service('echo-v2', { weight: 20 }),
        service('gone', { weight: 10 }),
      ],
    },
  ]);
  const count = 600;
  const statuses = await Promise.all(Array.from({ length: count }, async () => (await ask('/')).status));
  const seen = world.takeSeen();
  const failed = statuses.filter((status) => status === 500).length;
  for (const [got, share] of [
    [countOf(seen, 'v1'), 0.7],
    [countOf(seen, 'v2'), 0.2],
    [failed, 0.1],
  ] as const) {
    expect(Math.abs(got - count * share)).toBeLessThan(spread(count, share));
  }
  expect(seen.length + failed).toBe(count);
  const chosen = (backend: string) =>
    metric(world.sidecar, 'tulle_backend_requests_total', 'rule="route-0/0"', `backend="${backend}"`);
  expect(await chosen('echo-v1')).toBe(countOf(seen, 'v1'));
  expect(await chosen('gone')).toBe(failed);
});

test('HTTPRouteRequestMirror: copies go to another service, with what the rule changed and with their bodies', async () => {
  await start([
    {
      matches: [{ path: { value: '/mirror' } }],
      filters: [
        { type: 'RequestMirror', requestMirror: { backendRef: service('echo-v2') } },
        {
          type: 'URLRewrite',
          urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/copied' } },
        },
        { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x-set', value: 'both' }] } },
      ],
      backendRefs: [
        service('echo-v1', {
          filters: [
            {
              type: 'RequestHeaderModifier',
              requestHeaderModifier: { set: [{ name: 'x-mine', value: 'v1' }] },
            },
          ],
        }),
      ],
    },
  ]);
  const answer = await ask('/mirror/x', 'y'.repeat(30_000));
  expect(answer).toMatchObject({ status: 200, body: { backend: 'v1', path: '/copied/x' } });
  await expect
    .poll(() => metric(world.sidecar, 'tulle_mirrored_requests_total', 'status_class="2xx"'))
    .toBe(1);
  const seen = world.takeSeen();
  const copy = seen.find(({ backend }) => backend === 'v2') as Seen;
  const original = seen.find(({ backend }) => backend === 'v1') as Seen;
  expect(seen).toHaveLength(2);
  expect(copy).toMatchObject({ method: 'POST', path: '/copied/x' });
  expect(copy.headers).toMatchObject({ 'x-set': 'both', 'content-length': '30000' });
  expect(copy.headers['x-mine']).toBeUndefined();
  expect(original.headers['x-mine']).toBe('v1');
  // A copy is told apart from its original, and belongs to the same request.
  expect(copy.headers['x-request-id']).toBe(original.headers['x-request-id']);
});

test('HTTPRouteRequestMultipleMirrors, and a share of the requests', async () => {
  await start([
    {
      filters: [
        { type: 'RequestMirror', requestMirror: { backendRef: service('echo-v1'), percent: 100 } },
        {
          type: 'RequestMirror',
          requestMirror: { backendRef: service('echo-v2'), fraction: { numerator: 1, denominator: 4 } },
        },
      ],
      backendRefs: V2,
    },
  ]);
  const count = 400;
  await Promise.all(Array.from({ length: count }, () => ask('/')));
  await expect.poll(() => metric(world.sidecar, 'tulle_mirrored_exchanges')).toBe(0);
  const seen = world.takeSeen();
  expect(countOf(seen, 'v1')).toBe(count);
  expect(Math.abs(countOf(seen, 'v2') - count * 1.25)).toBeLessThan(spread(count, 0.25));
});

test('a copy delays nobody, and a body that is too large is not copied', async () => {
  await start([
    {
      filters: [
        { type: 'RequestMirror', requestMirror: { backendRef: service('echo-v2') } },
        { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplaceFullPath', replaceFullPath: '/' } } },
      ],
      backendRefs: V1,
    },
  ]);
  expect((await ask('/', 'z'.repeat(100_000))).status).toBe(200);
  expect(await metric(world.sidecar, 'tulle_mirrors_skipped_total', 'reason="body_too_large"')).toBe(1);
  expect(world.takeSeen().map(({ backend }) => backend)).toEqual(['v1']);
  expect(await metric(world.sidecar, 'tulle_mirrored_exchanges')).toBe(0);
});

test('HTTPRouteTimeoutRequest and HTTPRouteTimeoutBackendRequest', async () => {
  await start([
    { matches: [{ path: { value: '/request' } }], timeouts: { request: '200ms' }, backendRefs: V1 },
    { matches: [{ path: { value: '/backend' } }], timeouts: { backendRequest: '200ms' }, backendRefs: V1 },
    { matches: [{ path: { value: '/none' } }], timeouts: { request: '0s' }, backendRefs: V1 },
  ]);
  expect((await ask('/request?delay=0')).status).toBe(200);
  expect(await ask('/request?delay=5000')).toMatchObject({
    status: 504,
    body: { code: 'deadline_exceeded', rule: 'route-0/0' },
  });
  expect(await ask('/backend?delay=5000')).toMatchObject({ status: 504, body: { code: 'upstream_timeout' } });
  expect((await ask('/none?delay=300')).status).toBe(200);
});

test('MeshHTTPRouteNamedRule: a policy applies to the rule whose name it says, and the most specific one counts', async () => {
  const fault = (name: string, target: Record<string, unknown>, httpStatus: number) => ({
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind: 'FaultPolicy',
    metadata: { name },
    spec: { targetRefs: [target], abort: { httpStatus } },
  });
  await start(
    [
      { name: 'first', matches: [{ path: { value: '/first' } }], backendRefs: V1 },
      { name: 'second', matches: [{ path: { value: '/second' } }], backendRefs: V1 },
    ],
    [
      fault('of-service', { kind: 'Service', name: 'echo' }, 501),
      fault('of-route', { kind: 'HTTPRoute', name: 'route-0' }, 502),
      fault('of-rule', { kind: 'HTTPRoute', name: 'route-0', sectionName: 'first' }, 503),
    ],
  );
  expect((await ask('/first')).status).toBe(503);
  expect((await ask('/second')).status).toBe(502);
  expect((await ask('/unmatched')).status).toBe(501);
  expect(
    await metric(world.sidecar, 'tulle_requests_total', 'rule="route-0/first"', 'failure="fault_abort"'),
  ).toBe(1);
});

test('a request of the whole server is no path, and stays what it is', async () => {
  const urlRewrite = { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/v2' } };
  await start([{ filters: [{ type: 'URLRewrite', urlRewrite }], backendRefs: V1 }]);
  expect(await ask('*', '', 'OPTIONS')).toMatchObject({ status: 200, body: { path: '*' } });
  expect(await ask('/a')).toMatchObject({ status: 200, body: { path: '/v2/a' } });
});
