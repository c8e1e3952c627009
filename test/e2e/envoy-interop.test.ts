// A real Envoy with a certificate of our authority on either side of a sidecar: mTLS over HTTP/1.1 and over HTTP/2.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Authority } from '../../mesh/ca/authority.ts';
import { issueSvid } from '../../mesh/ca/issue-svid.ts';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import {
  bootstrap,
  downstreamTls,
  httpCluster,
  httpListener,
  upstreamTls,
} from '../bench/contenders/envoy-config.ts';
import { type Envoy, startEnvoy } from '../parts/envoy.ts';
import {
  type Answer,
  createFolder,
  type EchoOrigin,
  type Folder,
  openAuthority,
  send,
  sidecarConfig,
  spiffeId,
  startOrigin,
  svidFiles,
  writeIdentity,
} from './mesh-fixture.ts';

const MANY_BODIES = Array.from({ length: 100 }, (_, i) => `body ${i} `.repeat(i * 10));

let folder: Folder;
let authority: Authority;
let origin: EchoOrigin;
const stops: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  folder = await createFolder();
  authority = await openAuthority();
  origin = await startOrigin();
});

afterAll(async () => {
  await Promise.all(stops.map((stop) => stop()));
  origin.close();
  await folder.remove();
});

/** What ALPN agrees on, and how Envoy names it. */
const PROTOCOLS = ['http/1.1', 'h2'] as const;

describe.each(PROTOCOLS)('Envoy calls a sidecar over %s', (protocol) => {
  let envoy: Envoy;
  beforeAll(async () => {
    const sidecar = await sidecarNamed('callee', {
      inbound: [{ name: 'http', listen: '127.0.0.1:0', mtls: 'strict', target: `127.0.0.1:${origin.port}` }],
    });
    const port = sidecar.inboundPorts.http as number;
    envoy = await envoyNamed('envoy-caller', {
      listener: plainListener(),
      clusters: [httpCluster({ port, protocol, tls: upstreamTls(spiffeId('callee'), protocol) })],
    });
  });

  it('gets answers, and the service learns who called from the handshake alone', async () => {
    const answer = await send(envoy.ports.client as number, '/get', {
      headers: { 'x-forwarded-client-cert': 'URI=spiffe://forged', 'x-request-id': 'interop-1' },
    });
    expect(answer.status).toBe(200);
    expect(answer.seen['x-forwarded-client-cert']).toBe(
      `By=${spiffeId('callee')};URI=${spiffeId('envoy-caller')}`,
    );
    expect(answer.seen['x-request-id']).toBe('interop-1');
    expect(answer.headers['x-request-id']).toBe('interop-1');
  });

  it.each([10, 100_000, 1_000_000])('passes a body of %i bytes there and back', async (size) => {
    const body = 'abcdefghij'.repeat(size / 10);
    const answer = await send(envoy.ports.client as number, '/post', { method: 'POST', body });
    expect(answer.status).toBe(200);
    expect(answer.body === body).toBe(true);
  });

  it('passes many at once, each its own', async () => {
    const bodies = await askMany((body) => send(envoy.ports.client as number, '/', { method: 'POST', body }));
    expect(bodies).toEqual(MANY_BODIES);
  });
});

describe.each(PROTOCOLS)('a sidecar calls Envoy over %s', (protocol) => {
  let sidecar: Sidecar;
  beforeAll(async () => {
    const envoy = await envoyNamed('envoy-callee', {
      listener: httpListener({
        hasFeatures: false,
        service: 'envoy-callee',
        tls: downstreamTls(spiffeId('caller'), protocol),
      }),
      clusters: [httpCluster({ port: origin.port, protocol: 'http/1.1', tls: null })],
    });
    const endpoints = [`127.0.0.1:${envoy.ports.client}`];
    sidecar = await sidecarNamed('caller', {
      outbound: {
        listen: '127.0.0.1:0',
        services: [
          { host: 'envoy', mtls: 'strict', identity: spiffeId('envoy-callee'), endpoints },
          { host: 'imposter', mtls: 'strict', identity: spiffeId('somebody-else'), endpoints },
        ],
      },
    });
  });

  it('gets answers, with its request id and the context of its trace passed on', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const answer = await send(sidecar.outboundPort as number, '/get', {
      host: 'envoy',
      headers: { 'x-request-id': 'interop-2', traceparent },
    });
    expect(answer.status).toBe(200);
    expect(answer.seen['x-request-id']).toBe('interop-2');
    expect(answer.seen.traceparent).toBe(traceparent);
  });

  it.each([10, 1_000_000])('passes a body of %i bytes there and back', async (size) => {
    const body = 'abcdefghij'.repeat(size / 10);
    const answer = await send(sidecar.outboundPort as number, '/post', {
      host: 'envoy',
      method: 'POST',
      body,
    });
    expect(answer.body === body).toBe(true);
  });

  it('passes many at once, each its own', async () => {
    const port = sidecar.outboundPort as number;
    const bodies = await askMany((body) => send(port, '/', { host: 'envoy', method: 'POST', body }));
    expect(bodies).toEqual(MANY_BODIES);
  });

  it('refuses an Envoy that is not who it should be', async () => {
    const answer = await send(sidecar.outboundPort as number, '/get', { host: 'imposter' });
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'tls_failed', source: 'upstream' });
  });
});

async function askMany(ask: (body: string) => Promise<Answer>): Promise<string[]> {
  const answers = await Promise.all(MANY_BODIES.map(ask));
  return answers.map(({ body }) => body);
}

async function sidecarNamed(service: string, spec: Record<string, unknown>): Promise<Sidecar> {
  const identity = await writeIdentity(folder, authority, { spiffeId: spiffeId(service) });
  const configPath = await folder.write(`${service}.yaml`, sidecarConfig(service, { identity, ...spec }));
  const sidecar = await startSidecar({ configPath });
  stops.push(() => sidecar.drain());
  return sidecar;
}

async function envoyNamed(service: string, parts: Parameters<typeof bootstrap>[0]): Promise<Envoy> {
  const files = svidFiles(await issueSvid(authority, { spiffeId: spiffeId(service) }));
  const envoy = await startEnvoy({ config: bootstrap(parts), files });
  stops.unshift(() => envoy.stop());
  return envoy;
}

function plainListener() {
  return httpListener({ hasFeatures: false, service: 'envoy', tls: null });
}
