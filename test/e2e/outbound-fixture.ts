// A caller's sidecar with one policy for one service, and services that tests answer for.
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import { createFolder, type Folder, sidecarConfig } from './mesh-fixture.ts';

export interface Answer {
  status: number;
  body: string;
}

export class OutboundWorld {
  readonly folder: Folder;
  private readonly services: http.Server[] = [];
  private readonly sidecars: Sidecar[] = [];

  private constructor(folder: Folder) {
    this.folder = folder;
  }

  static async open(): Promise<OutboundWorld> {
    return new OutboundWorld(await createFolder());
  }

  async close(): Promise<void> {
    for (const sidecar of this.sidecars) await sidecar.drain();
    for (const service of this.services) {
      service.closeAllConnections();
      service.close();
    }
    await this.folder.remove();
  }

  /** Returns its port. */
  async startService(answer: http.RequestListener): Promise<number> {
    const service = http.createServer(answer);
    this.services.push(service);
    service.listen(0, '127.0.0.1');
    await once(service, 'listening');
    return (service.address() as AddressInfo).port;
  }

  async startCaller(ports: number[], policy: Record<string, unknown>): Promise<Sidecar> {
    const configPath = await this.writeConfig(ports, policy);
    return this.start(configPath);
  }

  async start(configPath: string): Promise<Sidecar> {
    const sidecar = await startSidecar({ configPath });
    this.sidecars.push(sidecar);
    return sidecar;
  }

  /** Of a caller to the service `orders`. */
  writeConfig(ports: number[], policy: Record<string, unknown>): Promise<string> {
    const endpoints = ports.map((port) => `127.0.0.1:${port}`);
    const outbound = { listen: '127.0.0.1:0', services: [{ host: 'orders', mtls: 'off', endpoints }] };
    return this.folder.write('sidecar.yaml', configWith({ outbound }, policy));
  }
}

/** A sidecar of the service `caller`, and a TrafficPolicy for `orders`. */
export function configWith(spec: Record<string, unknown>, policy: Record<string, unknown>): string {
  const document = {
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind: 'TrafficPolicy',
    metadata: { name: 'orders' },
    spec: { targetRefs: [{ kind: 'Service', name: 'orders' }], ...policy },
  };
  return `${sidecarConfig('caller', spec)}\n---\n${JSON.stringify(document)}\n`;
}

export function ask(
  { outboundPort }: Sidecar,
  options: http.RequestOptions = {},
  body = '',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: '127.0.0.1',
        port: outboundPort as number,
        headers: { host: 'orders' },
        agent: false,
        ...options,
      },
      async (response) => {
        let text = '';
        for await (const part of response) text += part;
        resolve({ status: response.statusCode ?? 0, body: text });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** The sum of the samples with that name and those labels. */
export async function metric({ adminPort }: Sidecar, name: string, ...labels: string[]): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
