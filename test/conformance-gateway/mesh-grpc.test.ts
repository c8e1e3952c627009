// The MESH-GRPC profile of the Gateway API, in file mode: grpc-js as caller and as both versions of a service.
import {
  type Client,
  credentials,
  type handleUnaryCall,
  Metadata,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parent, service, V1, V2 } from './case.ts';
import { type EchoWorld, startEchoWorld } from './echo-world.ts';

const ECHO = 'gateway.echo.Echo';
const same = (bytes: Buffer): Buffer => bytes;
const METHODS = Object.fromEntries(
  ['Echo', 'EchoTwo', 'EchoThree'].map((name) => [
    name,
    {
      path: `/${ECHO}/${name}`,
      ...{ requestStream: false, responseStream: false, requestSerialize: same, requestDeserialize: same },
      ...{ responseSerialize: same, responseDeserialize: same },
    },
  ]),
);

const servers: Server[] = [];
/** Who was called, in order. */
let called: string[] = [];
let ports: { v1: number; v2: number };
let world: EchoWorld | null = null;

beforeAll(async () => {
  ports = { v1: await startEcho('v1'), v2: await startEcho('v2') };
});
afterEach(async () => {
  await world?.stop();
  world = null;
  called = [];
});
afterAll(() => {
  for (const server of servers) server.forceShutdown();
});

/** Answers with its name, and with the fields of the test that it saw, by name, as trailing metadata. */
async function startEcho(name: string): Promise<number> {
  const server = new Server();
  servers.push(server);
  const echo: handleUnaryCall<Buffer, Buffer> = (call, answer) => {
    called.push(name);
    const fields = Object.keys(call.metadata.getMap()).filter((field) => field.startsWith('x-header-'));
    const seen = new Metadata();
    seen.set(
      'seen',
      JSON.stringify(
        Object.fromEntries(fields.sort().map((field) => [field, call.metadata.get(field).join()])),
      ),
    );
    answer(null, Buffer.from(name), seen);
  };
  server.addService(METHODS, Object.fromEntries(Object.keys(METHODS).map((method) => [method, echo])));
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    ),
  );
}

async function start(...rules: Record<string, unknown>[]): Promise<void> {
  world = await startEchoWorld({ kind: 'GRPCRoute', routes: [{ parentRefs: [parent()], rules }], ports });
}

interface Called {
  /** Who answered; empty when nobody did. */
  readonly backend: string;
  readonly code: number;
  readonly seen: string;
}

async function call(method: string, headers: Record<string, string> = {}): Promise<Called> {
  const EchoClient = makeGenericClientConstructor(METHODS, ECHO);
  const client = new EchoClient(`127.0.0.1:${world?.sidecar.outboundPort}`, credentials.createInsecure(), {
    'grpc.default_authority': 'echo',
  }) as Client &
    Record<
      string,
      (...parameters: unknown[]) => {
        on(event: 'status', tell: (status: { metadata: Metadata }) => void): void;
      }
    >;
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  try {
    return await new Promise((resolve) => {
      let backend = '';
      let code: number = status.OK;
      const answered = (error: ServiceError | null, answer?: Buffer) => {
        backend = answer?.toString() ?? '';
        code = error?.code ?? status.OK;
      };
      (client[method] as NonNullable<(typeof client)[string]>)
        .call(client, Buffer.from('x'), metadata, answered)
        .on('status', ({ metadata }) =>
          resolve({ backend, code, seen: String(metadata.get('seen')[0] ?? '') }),
        );
    });
  } finally {
    client.close();
  }
}

describe('GRPCExactMethodMatching', () => {
  test.each([
    ['Echo', 'v1', status.OK],
    ['EchoTwo', 'v2', status.OK],
    ['EchoThree', '', status.UNIMPLEMENTED],
  ])('%s', async (method, backend, code) => {
    await start(
      { matches: [{ method: { service: ECHO, method: 'Echo' } }], backendRefs: V1 },
      { matches: [{ method: { service: ECHO, method: 'EchoTwo' } }], backendRefs: V2 },
    );
    expect(await call(method)).toMatchObject({ backend, code });
  });
});

test('methods of every service, services with every method, regular expressions, and what goes first', async () => {
  await start(
    { matches: [{ method: { service: ECHO } }], backendRefs: V1 },
    { matches: [{ method: { service: ECHO, method: 'EchoTwo' } }], backendRefs: V2 },
    {
      matches: [
        {
          method: {
            type: 'RegularExpression',
            service: 'gateway\\.(echo|ping)\\.[A-Z]cho',
            method: '.*Three',
          },
        },
      ],
      backendRefs: V2,
    },
  );
  expect((await call('Echo')).backend).toBe('v1');
  expect((await call('EchoTwo')).backend).toBe('v2');
  expect((await call('EchoThree')).backend).toBe('v2');
});

test('GRPCRouteHeaderMatching', async () => {
  await start(
    { matches: [{ headers: [{ name: 'version', value: 'one' }] }], backendRefs: V1 },
    { matches: [{ headers: [{ name: 'version', value: 'two' }] }], backendRefs: V2 },
    {
      matches: [
        {
          headers: [
            { name: 'version', value: 'two' },
            { name: 'color', value: 'orange' },
          ],
        },
      ],
      backendRefs: V1,
    },
  );
  expect((await call('Echo', { Version: 'one' })).backend).toBe('v1');
  expect((await call('Echo', { version: 'two' })).backend).toBe('v2');
  expect((await call('Echo', { version: 'two', color: 'orange' })).backend).toBe('v1');
  expect((await call('Echo', { version: 'three' })).code).toBe(status.UNIMPLEMENTED);
});

test('MeshGRPCRouteWeight, and the status of a backend that is gone', async () => {
  await start({
    backendRefs: [
      service('echo-v1', { weight: 50 }),
      service('echo-v2', { weight: 25 }),
      service('gone', { weight: 25 }),
    ],
    filters: [
      {
        type: 'RequestHeaderModifier',
        requestHeaderModifier: { set: [{ name: 'x-header-set', value: 'yes' }] },
      },
    ],
  });
  const count = 200;
  const calls = await Promise.all(Array.from({ length: count }, () => call('Echo')));
  const shareOf = (is: (called: Called) => boolean) => calls.filter(is).length / count;
  // Five standard deviations of a count with this share.
  const spread = (share: number) => 5 * Math.sqrt((share * (1 - share)) / count);
  expect(Math.abs(shareOf(({ backend }) => backend === 'v1') - 0.5)).toBeLessThan(spread(0.5));
  expect(Math.abs(shareOf(({ backend }) => backend === 'v2') - 0.25)).toBeLessThan(spread(0.25));
  expect(Math.abs(shareOf(({ code }) => code === status.UNAVAILABLE) - 0.25)).toBeLessThan(spread(0.25));
  expect(new Set(calls.filter(({ code }) => code === status.OK).map(({ seen }) => seen))).toEqual(
    new Set(['{"x-header-set":"yes"}']),
  );
});

const CHANGES = {
  type: 'RequestHeaderModifier',
  requestHeaderModifier: {
    set: [{ name: 'x-header-set', value: 'set-overwrites-values' }],
    add: [
      { name: 'x-header-add', value: 'header-val-1' },
      { name: 'x-header-add-append', value: 'header-val-2' },
    ],
    remove: ['x-header-remove'],
  },
};
const SENT = {
  'x-header-set': 'old',
  'x-header-add-append': 'append-val-1',
  'x-header-remove': 'old',
  'x-header-kept': '1',
};
const CHANGED = {
  'x-header-add': 'header-val-1',
  // grpc-js joins the lines of a field by a comma and a space.
  'x-header-add-append': 'append-val-1, header-val-2',
  'x-header-kept': '1',
  'x-header-set': 'set-overwrites-values',
};

test('MeshGRPCRouteRequestHeaderModifier', async () => {
  await start({ filters: [CHANGES], backendRefs: V1 });
  expect(JSON.parse((await call('Echo', SENT)).seen)).toEqual(CHANGED);
});

test('MeshGRPCRouteRequestMirror', async () => {
  const requestMirror = { backendRef: service('echo-v2') };
  await start({ filters: [{ type: 'RequestMirror', requestMirror }, CHANGES], backendRefs: V1 });
  const answered = await call('Echo', SENT);
  expect(answered).toMatchObject({ backend: 'v1', code: status.OK });
  expect(JSON.parse(answered.seen)).toEqual(CHANGED);
  await expect.poll(() => [...called].sort()).toEqual(['v1', 'v2']);
});
