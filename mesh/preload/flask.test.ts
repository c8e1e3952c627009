// A Flask service that stays as it is, behind its sidecar: what hands on the context of its requests as README.md says, and that nothing does without.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startOtlpReceiver } from '../../examples/demo/otlp-receiver.ts';
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
} from '../../test/e2e/mesh-fixture.ts';
import { metric } from '../../test/e2e/outbound-fixture.ts';
import { findFreePort, type Part, startPart } from '../../test/parts/part.ts';
import { findFlask } from '../../test/parts/python-packages.ts';

const REQUESTS = 20;

/** How the service is run: the packages' programs are on its PATH. */
const FLASK = ['flask', '--app', 'orders', 'run', '--port'];
const WAYS = {
  'by itself': FLASK,
  'with opentelemetry-instrument': ['opentelemetry-instrument', ...FLASK],
  'with the middleware of the README': FLASK.with(2, 'wrapped'),
};
type Way = keyof typeof WAYS;

let packages: string;
let middleware: string;
beforeAll(async () => {
  packages = await findFlask();
  const readme = await readFile(join(import.meta.dirname, 'README.md'), 'utf8');
  middleware = /```python\n(.*?)```/s.exec(readme)?.[1] ?? '';
  expect(middleware).toContain('class ContextMiddleware');
});

class World {
  readonly sidecar: Sidecar;
  private readonly payments: Sidecar;
  private readonly parts: { readonly folder: Folder; readonly origin: EchoOrigin; readonly service: Part };
  private readonly receiver: { close(): Promise<void> };

  private constructor(
    sidecars: readonly [Sidecar, Sidecar],
    parts: World['parts'],
    receiver: World['receiver'],
  ) {
    [this.sidecar, this.payments] = sidecars;
    this.parts = parts;
    this.receiver = receiver;
  }

  static async open(way: Way): Promise<World> {
    const [folder, origin, authority] = [await createFolder(), await startOrigin(), await openAuthority()];
    const receiver = await startOtlpReceiver(() => {});
    const endpoint = `http://127.0.0.1:${receiver.port}`;
    const telemetry = { accessLog: 'off', traces: { endpoint, headSampleRatio: 0, intake: '127.0.0.1:0' } };
    const start = async (service: string, spec: object) => {
      const identity = await writeIdentity(folder, authority, { spiffeId: spiffeId(service) });
      const config = sidecarConfig(service, { identity, telemetry, ...spec });
      return startSidecar({ configPath: await folder.write(`${service}.yaml`, config) });
    };
    const listen = '127.0.0.1:0';
    const payments = await start('payments', {
      inbound: [{ name: 'http', listen, target: `127.0.0.1:${origin.port}` }],
    });
    const port = await findFreePort();
    const sidecar = await start('orders', {
      inbound: [{ name: 'http', listen, mtls: 'off', target: `127.0.0.1:${port}` }],
      outbound: {
        listen,
        services: [
          {
            ...{ host: 'payments', identity: spiffeId('payments'), listen },
            endpoints: [`127.0.0.1:${payments.inboundPorts.http}`],
          },
        ],
      },
    });
    const [program = '', ...args] = WAYS[way];
    const service = await startPart({
      name: 'flask',
      command: 'python3',
      args: [join(packages, 'bin', program), ...args, String(port)],
      files: {
        'orders.py': await readFile(join(import.meta.dirname, 'flask-orders.fixture.py'), 'utf8'),
        'context.py': middleware,
        'wrapped.py': [
          'from context import ContextMiddleware',
          'from orders import app',
          'app.wsgi_app = ContextMiddleware(app.wsgi_app)',
        ].join('\n'),
      },
      env: {
        PYTHONPATH: packages,
        PATH: `${join(packages, 'bin')}:${process.env.PATH}`,
        PAYMENTS_URL: `http://127.0.0.1:${sidecar.servicePorts.payments}/charge`,
        OTEL_SERVICE_NAME: 'orders',
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${sidecar.intakePort}`,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
        OTEL_PROPAGATORS: 'tracecontext,baggage',
        OTEL_METRICS_EXPORTER: 'none',
        OTEL_LOGS_EXPORTER: 'none',
        // Not what one would set: a test can't wait five seconds.
        OTEL_BSP_SCHEDULE_DELAY: '50',
      },
      isReady: ({ output }) => output().includes('Running on'),
    });
    return new World([sidecar, payments], { folder, origin, service }, receiver);
  }

  /** One request in a trace of its own; what the service behind the other sidecar got for it. */
  async ask(): Promise<{ traceId: string; requestId: string; seen: IncomingHttpHeaders }> {
    const traceId = randomBytes(16).toString('hex');
    const traceparent = `00-${traceId}-${randomBytes(8).toString('hex')}-00`;
    const port = this.sidecar.inboundPorts.http as number;
    const { status, body, headers } = await send(port, '/orders', { headers: { traceparent } });
    if (status !== 200) throw new Error(`answered ${status}: ${this.parts.service.output()}`);
    return { traceId, requestId: String(headers['x-request-id']), seen: JSON.parse(body) };
  }

  async spansOf(id: string): Promise<Record<string, unknown>[]> {
    const response = await fetch(`http://127.0.0.1:${this.sidecar.adminPort}/traces/${id}`);
    return ((await response.json()) as { spans: Record<string, unknown>[] }).spans;
  }

  linked(context: string): Promise<number> {
    return metric(this.sidecar, 'tulle_outbound_contexts_total', `context="${context}"`);
  }

  async close(): Promise<void> {
    const { folder, origin, service } = this.parts;
    await service.stop();
    await Promise.all([this.sidecar.drain(), this.payments.drain()]);
    await this.receiver.close();
    origin.close();
    await folder.remove();
  }
}

const traceIdOf = ({ traceparent }: IncomingHttpHeaders) => String(traceparent).split('-')[1];

describe.each(Object.keys(WAYS) as Way[])('a Flask service, %s,', (way) => {
  const isLinked = way !== 'by itself';
  let world: World;
  beforeAll(async () => {
    world = await World.open(way);
  });
  afterAll(() => world?.close());

  test(`${isLinked ? 'hands on' : 'does not hand on'} trace and request id of each of many requests at once`, async () => {
    const answers = await Promise.all(Array.from({ length: REQUESTS }, () => world.ask()));
    for (const { traceId, requestId, seen } of answers) {
      expect([traceIdOf(seen) === traceId, seen['x-request-id'] === requestId]).toEqual([isLinked, isLinked]);
    }
    expect(new Set(answers.map(({ requestId }) => requestId)).size).toBe(REQUESTS);
    expect([await world.linked('linked'), await world.linked('none')]).toEqual(
      isLinked ? [REQUESTS, 0] : [0, REQUESTS],
    );
  });
});

test('the spans that OpenTelemetry makes in the service lie in the trace between those of its sidecar', async () => {
  const world = await World.open('with opentelemetry-instrument');
  try {
    const { requestId } = await world.ask();
    await expect.poll(async () => (await world.spansOf(requestId)).length).toBe(4);
    const spans = await world.spansOf(requestId);
    const chain: unknown[] = [];
    let span = spans.find(({ parentId }) => !spans.some(({ spanId }) => spanId === parentId));
    while (span !== undefined) {
      const { component, kind, service, spanId } = span;
      chain.push([component, kind, service]);
      span = spans.find(({ parentId }) => parentId === spanId);
    }
    expect(chain).toEqual([
      ['sidecar', 'server', 'orders'],
      ['service', 'server', 'orders'],
      ['service', 'client', 'orders'],
      ['sidecar', 'client', 'orders'],
    ]);
  } finally {
    await world.close();
  }
});
