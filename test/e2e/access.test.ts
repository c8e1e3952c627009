// What an access policy does, over real sockets and with real certificates. Who is kept out altogether: intruders.test.ts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API, GuardedWorker, ONLY_API, portOf } from './guarded-worker.ts';
import { spiffeId } from './mesh-fixture.ts';
import { metric, until } from './tcp-fixture.ts';

let mesh: GuardedWorker;
beforeAll(async () => {
  mesh = await GuardedWorker.start();
});
afterAll(() => mesh.close());

describe('a denial', () => {
  it('names policy, rule and peer, to the caller and in the log', async () => {
    const sidecar = await mesh.guard('told', {
      rules: [{ name: 'no-admin', action: 'deny', to: { paths: ['/admin/*'] } }, ...ONLY_API].map((rule) => ({
        ...rule,
        to: { ...('to' in rule ? rule.to : {}), ports: [mesh.worker.origin.port] },
      })),
    });
    const api = await mesh.caller('api');
    const { status, body } = await api.request(portOf(sidecar, 'http1'), '/Admin/users/');
    expect(status).toBe(403);
    expect(JSON.parse(body)).toMatchObject({ code: 'access_denied', source: 'policy' });
    expect(JSON.parse(body).detail).toContain(`rule no-admin of e2e/worker; peer ${API}`);
    expect((await api.request(portOf(sidecar, 'http1'), '/a/..%2fadmin')).status).toBe(400);
    await until(async () => (await mesh.readLog('told')).length === 2);
    expect((await mesh.readLog('told'))[0]).toMatchObject({
      ...{ access: 'deny', access_policy: 'e2e/worker', access_rule: 'no-admin' },
      ...{ failure: 'access_denied', peer_identity: API },
    });
  });

  it('is not got around by bytes that are no HTTP', async () => {
    const sidecar = await mesh.guard('auto', {
      rules: [
        { name: 'api-requests', action: 'allow', from: { identities: [API] }, to: { methods: ['GET'] } },
      ].map((rule) => ({ ...rule, to: { ...rule.to, ports: [mesh.worker.tcp.port] } })),
    });
    const before = mesh.worker.tcp.sockets.length;
    expect(await (await mesh.caller('api')).call('tcp', portOf(sidecar, 'auto'))).toBe('closed');
    // Nor by silence, in which a server would speak first.
    const silent = (await mesh.caller('api')).connect(portOf(sidecar, 'auto'), null);
    await until(() => silent.closed);
    expect(mesh.worker.tcp.sockets.length).toBe(before);
    await until(async () => (await mesh.readLog('auto')).length === 2);
    expect((await mesh.readLog('auto'))[0]).toMatchObject({
      failure: 'access_denied',
      access: 'deny',
      access_rule: 'no_rule',
    });
  });
});

describe('without a policy', () => {
  it('the default of the sidecar holds', async () => {
    const open = await mesh.guard('default-allow', {});
    const closed = await mesh.guard('default-deny', { spec: { access: { default: 'deny' } } });
    const api = await mesh.caller('api');
    expect(await api.callHttp1(portOf(open, 'http1'))).toBe('served');
    expect(await api.callHttp1(portOf(closed, 'http1'))).toBe('denied');
    expect(await api.call('tcp', portOf(closed, 'tcp'))).toBe('closed');
  });
});

describe('shadow mode', () => {
  it.each(['http1', 'tcp'] as const)(
    'serves everybody over %s, and counts whom it would not',
    async (protocol) => {
      const sidecar = await mesh.guard(`shadow-${protocol}`, { rules: ONLY_API, mode: 'shadow' });
      expect(await (await mesh.caller('intruder')).call(protocol, portOf(sidecar, protocol))).toBe('served');
      const labels = ['rule="no_rule"', 'mode="shadow"', 'decision="would_deny"'];
      expect(await metric(sidecar, 'tulle_access_decisions_total', ...labels)).toBe(1);
      await until(async () => (await mesh.readLog(`shadow-${protocol}`)).length === 1);
      expect((await mesh.readLog(`shadow-${protocol}`))[0]).toMatchObject({
        access: 'would_deny',
        failure: 'none',
      });
    },
  );
});

describe('a policy that changes', () => {
  it('holds from the next request on, on connections that are open, and loses none', async () => {
    const sidecar = await mesh.guard('reload', { rules: ONLY_API });
    const [api, batch] = [await mesh.caller('api'), await mesh.caller('batch')];
    const port = portOf(sidecar, 'http1');
    expect(await batch.callHttp1(port)).toBe('denied');
    const slow = Array.from({ length: 20 }, () => api.callHttp1(port, '/slow?ms=300'));
    const letIn = () => metric(sidecar, 'tulle_access_decisions_total', 'rule="api"', 'decision="allow"');
    await until(async () => (await letIn()) === slow.length);
    await sidecar.reguard({
      rules: [{ name: 'batch', action: 'allow', from: { identities: [spiffeId('batch')] } }],
    });
    expect(await batch.callHttp1(port)).toBe('served');
    expect(await api.callHttp1(port)).toBe('denied');
    expect(await Promise.all(slow)).toEqual(slow.map(() => 'served'));
  });
});
