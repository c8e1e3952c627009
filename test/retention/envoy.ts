// What Envoy keeps of failed requests with a head sample: it decides before it knows.
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { bootstrap, httpCluster, httpListener, otlpCluster } from '../bench/contenders/envoy-config.ts';
import { startCollector } from '../parts/collector.ts';
import { startEnvoy } from '../parts/envoy.ts';
import type { Kept } from './measure.ts';

const AT_ONCE = 24;
const EXPORT_MS = 6_000;

/** At 1 % head sampling, in front of a service that fails at random. */
export async function measureEnvoy(
  requests: number,
  failedShare: number,
  random: () => number,
): Promise<Kept> {
  const failed = new Set<string>();
  const origin = http.createServer((request, response) => {
    const fails = random() < failedShare;
    if (fails) failed.add(String(request.headers.traceparent).split('-')[1] ?? '');
    response.writeHead(fails ? 500 : 200).end('{}');
  });
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  const collector = await startCollector();
  try {
    const envoy = await startEnvoy({
      config: bootstrap({
        listener: httpListener({ hasFeatures: true, service: 'edge', tls: null }),
        clusters: [
          httpCluster({ port: (origin.address() as AddressInfo).port, protocol: 'http/1.1', tls: null }),
          otlpCluster(collector.port),
        ],
      }),
    });
    try {
      await drive(Object.values(envoy.ports)[0] ?? 0, requests);
      await new Promise((resolve) => setTimeout(resolve, EXPORT_MS));
    } finally {
      await envoy.stop();
    }
    const exported = new Set((await collector.spans()).map(({ traceId }) => traceId));
    return { traces: failed.size, complete: [...failed].filter((id) => exported.has(id)).length };
  } finally {
    await collector.stop();
    origin.closeAllConnections();
    origin.close();
  }
}

async function drive(port: number, requests: number): Promise<void> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE });
  let left = requests;
  const caller = async () => {
    while (left-- > 0) {
      const request = http.get({ host: '127.0.0.1', port, agent });
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      response.resume();
      await once(response, 'end');
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, caller));
  agent.destroy();
}
