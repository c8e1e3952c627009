// The audit log of a real sidecar: requests, connections and handshakes, while the config changes.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Caller } from './access-fixture.ts';
import { API, GuardedWorker, ONLY_API, portOf } from './guarded-worker.ts';
import { spiffeId } from './mesh-fixture.ts';
import { until } from './tcp-fixture.ts';

let mesh: GuardedWorker;
beforeAll(async () => {
  mesh = await GuardedWorker.start();
});
afterAll(() => mesh.close());

const INTRUDER = spiffeId('intruder');
const guardOf = (decisions: string, mode = 'enforce') => ({
  ...{ rules: ONLY_API, mode },
  spec: { telemetry: { accessLog: 'off', audit: { decisions, log: './audit.log' } } },
});

it('tells of requests, connections and handshakes, and of what a reload asks for', async () => {
  const sidecar = await mesh.guard('audited', guardOf('refused'));
  const [api, intruder] = [await mesh.caller('api'), await mesh.caller('intruder')];
  const told: Record<string, unknown>[] = [];
  const nextLine = async () => {
    await until(async () => (await mesh.readLog('audit')).length > told.length);
    const lines = await mesh.readLog('audit');
    const line = lines[told.length] as Record<string, unknown>;
    told.push(line);
    expect(lines).toHaveLength(told.length);
    return line;
  };
  const denied = { log: 'audit', decision: 'deny', policy: 'e2e/worker', policy_rule: 'no_rule' };

  expect(await api.callHttp1(portOf(sidecar, 'http1'))).toBe('served');
  expect(await intruder.callHttp1(portOf(sidecar, 'http1'), '/a?key=secret')).toBe('denied');
  expect(await nextLine()).toMatchObject({
    ...{ ...denied, kind: 'access', failure: 'access_denied', route: 'http1', peer_identity: INTRUDER },
    ...{ method: 'GET', host: 'worker', request_id: expect.stringMatching(/^[0-9a-f-]{36}$/) },
  });
  expect(await intruder.call('tcp', portOf(sidecar, 'tcp'))).toBe('closed');
  expect(await nextLine()).toMatchObject({
    ...denied,
    kind: 'access',
    protocol: 'tcp',
    peer_identity: INTRUDER,
  });
  expect(await new Caller(null).callHttp1(portOf(sidecar, 'http1'))).toBe('closed');
  expect(await nextLine()).toMatchObject({ kind: 'tls', decision: 'deny', policy_rule: 'no_tls' });

  await sidecar.reguard(guardOf('all', 'shadow'));
  expect(await api.callHttp1(portOf(sidecar, 'http1'))).toBe('served');
  expect(await nextLine()).toMatchObject({ decision: 'allow', policy_rule: 'api', peer_identity: API });
  expect(await intruder.callHttp1(portOf(sidecar, 'http1'))).toBe('served');
  expect(await nextLine()).toMatchObject({ ...denied, decision: 'shadow_deny', failure: 'access_denied' });
  expect(await api.call('tcp', portOf(sidecar, 'tcp'))).toBe('served');
  expect(await nextLine()).toMatchObject({ decision: 'allow', protocol: 'tcp', peer_identity: API });

  await sidecar.reguard(guardOf('off'));
  expect(await intruder.callHttp1(portOf(sidecar, 'http1'))).toBe('denied');
  await sidecar.reguard(guardOf('refused'));
  expect(await intruder.callHttp1(portOf(sidecar, 'http1'), '/last')).toBe('denied');
  expect(await nextLine()).toMatchObject(denied);
});
