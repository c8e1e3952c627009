import { once } from 'node:events';
import net from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { metric } from '../../test/e2e/outbound-fixture.ts';
import { findNodeRelease } from '../../test/parts/node-release.ts';
import { buildPreload } from './build.ts';
import { contextOf, newCaller, openWorld, type Seen, type World } from './world.fixture.ts';

/** The last without a channel for requests that go out, the last whose contexts hang on async_hooks, and the project's own. */
const NODES: [name: string, version: string | null, undici: string][] = [
  ['Node 20', '20.20.2', import.meta.resolve('undici-6')],
  ['Node 22', '22.23.3', import.meta.resolve('undici')],
  ['Node 26', null, import.meta.resolve('undici')],
];
const WAITS = ['promise', 'tick', 'immediate', 'timer'];
const CALLS = ['http', 'http-list', 'http-post', 'http-retry', 'fetch', 'undici', 'http2', 'http2-retry'];
const NO_CONTEXT = {
  traceparent: undefined,
  tracestate: undefined,
  baggage: undefined,
  'x-request-id': undefined,
};

describe.each(NODES)('%s', (_name, version, undici) => {
  let node: string;
  let flags: string[];
  let world: World;
  beforeAll(async () => {
    node = version === null ? process.execPath : await findNodeRelease(version);
    flags = ['--import', await buildPreload()];
    world = await openWorld({ node, flags, undici });
  });
  afterAll(() => world.close());

  /** By either protocol in turn. */
  const calls = () => [world.call1, world.call2];

  test.each(['/', '/classic'])('every way to call carries the whole context, served at %s', async (path) => {
    for (const call of calls()) {
      const { headers, context } = newCaller();
      const { requestId, seen } = await call(`${path}?steps=${[...WAITS, ...CALLS].join()}`, headers);
      expect(seen.map(({ step }) => step)).toEqual(CALLS);
      for (const fields of seen) {
        expect({ [fields.step]: contextOf(fields) }).toEqual({ [fields.step]: context });
        expect(fields['x-request-id']).toBe(requestId);
      }
    }
  });

  test('what the service says itself is left alone', async () => {
    const { headers, context } = newCaller();
    const { seen } = await world.call1('/?steps=http-own,fetch-own,http2-own', headers);
    const [http, fetch, http2] = seen.map((fields) => ({ ...contextOf(fields), id: fields['x-request-id'] }));
    // A tracestate of another trace would be a lie.
    expect(http).toMatchObject({ traceId: 'e'.repeat(32), tracestate: undefined, baggage: context.baggage });
    expect(fetch).toEqual({ ...context, baggage: undefined, id: 'own' });
    expect(http2).toEqual({ ...context, id: 'own' });
  });

  test('over TLS goes all but baggage, which no sidecar could stop at the border there', async () => {
    const { headers, context } = newCaller();
    const { seen, requestId } = await world.call1('/?steps=https,https-undici', headers);
    for (const fields of seen) {
      expect(contextOf(fields)).toEqual({ ...context, baggage: undefined });
      expect(fields['x-request-id']).toBe(requestId);
    }
    expect(seen).toHaveLength(2);
  });

  test('errors are those of the service, and what can not be changed goes as it is', async () => {
    const { headers } = newCaller();
    const { seen } = await world.call1('/?steps=http-bad,http2-bad,http-expect', headers);
    expect(seen.slice(0, 2)).toEqual([
      { step: 'http-bad', code: 'ERR_INVALID_HTTP_TOKEN' },
      { step: 'http2-bad', code: 'ERR_HTTP2_INVALID_PSEUDOHEADER' },
    ]);
    expect(seen[2]).toMatchObject({ expect: '100-continue', 'transfer-encoding': 'chunked' });
  });

  test('work for nobody in particular has no context, however it was caused', async () => {
    const { headers } = newCaller();
    const before = await metric(world.sidecar, 'tulle_outbound_contexts_total', 'context="none"');
    const { seen } = await world.call1('/?steps=http,job,http', headers);
    const [first, job, last] = seen.map((fields) => contextOf(fields).traceId);
    expect(last).toBe(first);
    expect(job).not.toBe(first);
    expect(await metric(world.sidecar, 'tulle_outbound_contexts_total', 'context="none"')).toBe(before + 1);
  });

  test('the sidecar counts the calls as linked', async () => {
    const linked = () => metric(world.sidecar, 'tulle_outbound_contexts_total', 'context="linked"');
    const before = await linked();
    await world.call1('/?steps=http,fetch,http2,undici', newCaller().headers);
    expect(await linked()).toBe(before + 4);
  });

  test('requests that bring nothing begin nothing, also behind others on the same connection', async () => {
    const { headers, context } = newCaller();
    const socket = net.connect(world.servicePort, '127.0.0.1');
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    // At once, as a pipelining client sends them; each is served with waits in between.
    const request = (fields: string) =>
      `GET /?steps=timer,https,timer,https HTTP/1.1\r\nhost: a\r\n${fields}\r\n`;
    socket.write(
      request(lines.join('')) +
        request('') +
        request(lines.join('').replaceAll(context.traceId, 'd'.repeat(32))),
    );
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    const answers = () => Array.from(text.matchAll(/\[\{.*?\}\]/g), ([json]) => JSON.parse(json) as Seen[]);
    while (answers().length < 3) await once(socket, 'data');
    socket.destroy();
    const [first, second, third] = answers();
    for (const fields of first ?? []) expect(contextOf(fields).traceId).toBe(context.traceId);
    for (const fields of second ?? [])
      expect(fields).not.toEqual(expect.objectContaining({ traceparent: expect.anything() }));
    for (const fields of third ?? []) expect(contextOf(fields).traceId).toBe('d'.repeat(32));
    expect([first, second, third].map((all) => all?.length)).toEqual([2, 2, 2]);
    expect(second?.[0]).toMatchObject({ host: expect.any(String) });
    expect({ ...NO_CONTEXT, ...second?.[0] }).toMatchObject(NO_CONTEXT);
  });

  test('no request ever carries what belongs to another, however they interleave', async () => {
    const step = fc.constantFrom(
      ...WAITS,
      ...WAITS,
      ...CALLS,
      'undici-pool',
      'https',
      'https-undici',
      'grpc',
      'job',
    );
    const plan = fc.record({
      path: fc.constantFrom('/', '/classic'),
      isHttp2: fc.boolean(),
      steps: fc.array(step, { minLength: 1, maxLength: 8 }),
    });
    let pooled = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(plan, { minLength: 2, maxLength: 24 }), async (plans) => {
        await Promise.all(
          plans.map(async ({ path, isHttp2, steps }) => {
            const { headers, context } = newCaller();
            const call = isHttp2 ? world.call2 : world.call1;
            const { seen } = await call(`${path}?steps=${steps}`, headers);
            for (const fields of seen) {
              const { traceId, tracestate } = contextOf(fields);
              if (fields.step === 'undici-pool') {
                // What had to wait for a connection may have none.
                expect([context.tracestate, undefined]).toContain(tracestate);
                if (tracestate !== undefined) pooled++;
              } else if (fields.step === 'grpc') {
                expect(tracestate).toBe(undefined);
                expect([context.tracestate, undefined]).toContain(fields.behind);
              } else if (fields.step === 'job') expect(tracestate).toBe(undefined);
              else
                expect({ step: fields.step, traceId }).toEqual({
                  step: fields.step,
                  traceId: context.traceId,
                });
            }
          }),
        );
      }),
      // What hung on time can't be made smaller.
      { numRuns: 30, endOnFailure: true },
    );
    expect(pooled).toBeGreaterThan(0);
  });

  test('an SDK of OpenTelemetry that hands on by itself is left to it', async () => {
    // As its API registers a propagator.
    const register = `data:text/javascript,globalThis[Symbol.for('opentelemetry.js.api.1')]={propagation:{}}`;
    const traced = await openWorld({ node, flags: [...flags, '--import', register], undici });
    try {
      const { headers, context } = newCaller();
      const { requestId, seen } = await traced.call1('/?steps=http,fetch,http2', headers);
      for (const fields of seen) {
        expect(contextOf(fields)).toMatchObject({ tracestate: undefined, baggage: undefined });
        expect(contextOf(fields).traceId).not.toBe(context.traceId);
        expect(fields['x-request-id']).toBe(requestId);
      }
    } finally {
      await traced.close();
    }
  });
});
