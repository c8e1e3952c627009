// Routes of the Gateway API in a running mesh: they come and go with files of a folder, and change requests whatever protocol these go on in.
import { once } from 'node:events';
import { mkdir, readFile, rm } from 'node:fs/promises';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import {
  createFolder,
  type EchoOrigin,
  type Folder,
  send,
  sidecarConfig,
  startOrigin,
} from './mesh-fixture.ts';

let folder: Folder;
let sidecar: Sidecar | null = null;
let origins: EchoOrigin[] = [];

beforeEach(async () => {
  folder = await createFolder();
});

afterEach(async () => {
  await sidecar?.drain();
  sidecar = null;
  for (const origin of origins) origin.close();
  origins = [];
  await folder.remove();
});

function route(rules: Record<string, unknown>[]): string {
  return JSON.stringify({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'orders' },
    spec: { parentRefs: [{ group: '', kind: 'Service', name: 'orders' }], rules },
  });
}

test('a route that is written into the folder counts for the next request, and one that is removed no more', async () => {
  origins = [await startOrigin('v1'), await startOrigin('v2')];
  await mkdir(join(folder.path, 'config'));
  const services = origins.map(({ port }, index) => ({
    host: index === 0 ? 'orders' : 'orders-v2',
    mtls: 'off',
    endpoints: [`127.0.0.1:${port}`],
  }));
  await folder.write(
    'config/sidecar.yaml',
    sidecarConfig('caller', { outbound: { listen: '127.0.0.1:0', services } }),
  );
  sidecar = await startSidecar({ configPath: join(folder.path, 'config') });
  const { outboundPort, adminPort } = sidecar;
  const ask = () => send(outboundPort as number, '/', { host: 'orders' });
  const dump = async () => (await fetch(`http://127.0.0.1:${adminPort}/config_dump`)).json();

  expect((await ask()).headers['x-origin']).toBe('v1');
  await folder.write('config/route.yaml', route([{ backendRefs: [{ name: 'orders-v2' }] }]));
  // A request under way at the time of the change, and those around it: all are answered.
  await expect.poll(async () => (await ask()).headers['x-origin']).toBe('v2');
  await folder.write('config/route.yaml', route([{ backendRefs: [{ name: 'orders-v3' }] }]));
  await expect.poll(async () => (await ask()).status).toBe(500);
  expect(await dump()).toMatchObject({
    source: 'config',
    warnings: [
      { file: 'route.yaml', document: 'HTTPRoute orders', path: 'spec.rules[0].backendRefs[0].name' },
    ],
  });
  await rm(join(folder.path, 'config/route.yaml'));
  await expect.poll(async () => (await ask()).headers['x-origin']).toBe('v1');
});

test('a request goes on over HTTP/2 with the host, path and fields of its rule', async () => {
  const seen: http2.IncomingHttpHeaders[] = [];
  const server = http2.createServer((request, response) => {
    seen.push(request.headers);
    response.end('ok');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const rules = [
    {
      matches: [{ path: { value: '/a' } }],
      filters: [
        {
          type: 'URLRewrite',
          urlRewrite: {
            hostname: 'orders.internal',
            path: { type: 'ReplacePrefixMatch', replacePrefixMatch: `/${'long/'.repeat(100)}` },
          },
        },
        {
          type: 'RequestHeaderModifier',
          requestHeaderModifier: { set: [{ name: 'user-agent', value: 'mesh' }] },
        },
      ],
      backendRefs: [{ name: 'orders' }],
    },
  ];
  const { port } = server.address() as AddressInfo;
  const services = [{ host: 'orders', mtls: 'off', protocol: 'http2', endpoints: [`127.0.0.1:${port}`] }];
  const config = sidecarConfig('caller', { outbound: { listen: '127.0.0.1:0', services } });
  try {
    sidecar = await startSidecar({
      configPath: await folder.write('sidecar.yaml', `${config}\n---\n${route(rules)}`),
    });
    const options = { host: 'orders', headers: { 'user-agent': 'caller', 'x-kept': '1' } };
    expect((await send(sidecar.outboundPort as number, '/a/b?c=%20', options)).status).toBe(200);
    expect(seen).toMatchObject([
      {
        ':path': `/${'long/'.repeat(100)}b?c=%20`,
        ':authority': 'orders.internal',
        'user-agent': 'mesh',
        'x-kept': '1',
      },
    ]);
  } finally {
    await sidecar?.drain();
    sidecar = null;
    server.close();
  }
});

test('the log tells the rule, its backend, the path that was asked for, and what a policy in shadow mode would have done', async () => {
  origins = [await startOrigin('v1')];
  const services = [{ host: 'orders', mtls: 'off', endpoints: [`127.0.0.1:${origins[0]?.port}`] }];
  const config = sidecarConfig('caller', {
    outbound: { listen: '127.0.0.1:0', services },
    telemetry: { accessLog: './access.log' },
  });
  const urlRewrite = { path: { type: 'ReplaceFullPath', replaceFullPath: '/elsewhere' } };
  const rules = [
    { name: 'all', filters: [{ type: 'URLRewrite', urlRewrite }], backendRefs: [{ name: 'orders' }] },
  ];
  const fault = {
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind: 'FaultPolicy',
    metadata: { name: 'orders' },
    spec: {
      targetRefs: [{ kind: 'HTTPRoute', name: 'orders', sectionName: 'all' }],
      ...{ mode: 'shadow', delay: { delayMs: 60_000 }, abort: {} },
    },
  };
  const documents = [config, route(rules), JSON.stringify(fault)];
  sidecar = await startSidecar({ configPath: await folder.write('sidecar.yaml', documents.join('\n---\n')) });
  expect((await send(sidecar.outboundPort as number, '/asked', { host: 'orders' })).status).toBe(200);
  await sidecar.drain();
  sidecar = null;
  expect(JSON.parse(await readFile(join(folder.path, 'access.log'), 'utf8'))).toMatchObject({
    ...{ route: 'orders', rule: 'orders/all', backend: 'orders', path: '/asked' },
    ...{ shadow: 'fault e2e/orders delay,fault e2e/orders abort', failure: 'none', status: 200 },
  });
});
