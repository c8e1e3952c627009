import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import {
  createFolder,
  type EchoOrigin,
  type Folder,
  openAuthority,
  send,
  sidecarConfig,
  spiffeId,
  startOrigin,
  writeIdentity,
} from './mesh-fixture.ts';

const BAGGAGE = 'tenant=acme,plan=free';

let folder: Folder;
let origin: EchoOrigin;
const sidecars: Sidecar[] = [];
let callee: Sidecar;
let caller: Sidecar;

/** `callee` takes callers with and without an identity; `caller` calls it with one, and an endpoint outside of the mesh. */
beforeAll(async () => {
  folder = await createFolder();
  origin = await startOrigin();
  const authority = await openAuthority();
  const start = async (name: string, spec: Record<string, unknown>): Promise<Sidecar> => {
    const identity = await writeIdentity(folder, authority, { spiffeId: spiffeId(name) });
    const configPath = await folder.write(`${name}.yaml`, sidecarConfig(name, { identity, ...spec }));
    const sidecar = await startSidecar({ configPath });
    sidecars.push(sidecar);
    return sidecar;
  };
  const target = `127.0.0.1:${origin.port}`;
  callee = await start('callee', {
    inbound: [{ name: 'http', listen: '127.0.0.1:0', mtls: 'permissive', target }],
    telemetry: { accessLog: 'off', baggage: { fromStrangers: ['plan'] } },
  });
  const endpoint = `127.0.0.1:${callee.inboundPorts.http}`;
  caller = await start('caller', {
    outbound: {
      listen: '127.0.0.1:0',
      services: [
        { host: 'callee', identity: spiffeId('callee'), endpoints: [endpoint] },
        { host: 'outside', mtls: 'off', endpoints: [target] },
      ],
    },
    telemetry: { accessLog: 'off', baggage: { toStrangers: ['plan'] } },
  });
});

afterAll(async () => {
  for (const sidecar of sidecars) await sidecar.drain();
  origin.close();
  await folder.remove();
});

test('baggage passes whole inside of the mesh, and by its keys over the border', async () => {
  const headers = { baggage: BAGGAGE };
  const seen = async (port: number, host: string) => (await send(port, '/', { host, headers })).seen.baggage;
  expect(await seen(caller.outboundPort as number, 'callee')).toBe(BAGGAGE);
  expect(await seen(caller.outboundPort as number, 'outside')).toBe('plan=free');
  expect(await seen(callee.inboundPorts.http as number, 'callee')).toBe('plan=free');
  const metrics = await (await fetch(`http://127.0.0.1:${callee.adminPort}/metrics`)).text();
  expect(metrics).toMatch(/tulle_baggage_cut_total\{[^}]*direction="inbound",reason="not_allowed"[^}]*\} 1/);
});
