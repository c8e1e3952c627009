// The proxy under test: one sidecar with several plain listeners, each with an origin of its own, so that cases can run side by side
// and what an origin sees still belongs to one case.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSidecar } from '../../sidecar/src/app.ts';
import { Activity } from './activity.ts';
import { Origin } from './origin.ts';
import type { Lane } from './run-case.ts';

export interface Lanes {
  lanes: Lane[];
  close(): Promise<void>;
}

export async function openLanes(count: number): Promise<Lanes> {
  const folder = await mkdtemp(join(tmpdir(), 'tulle-conformance-'));
  const origins = Array.from({ length: count }, () => {
    const activity = new Activity();
    return { activity, origin: new Origin(activity) };
  });
  const ports = await Promise.all(origins.map(({ origin }) => origin.listen()));
  const configPath = join(folder, 'sidecar.yaml');
  await writeFile(configPath, configFor(ports));
  const sidecar = await startSidecar({ configPath });
  return {
    lanes: origins.map((lane, i) => ({ ...lane, port: sidecar.inboundPorts[`lane-${i}`] as number })),
    async close() {
      await sidecar.drain();
      await Promise.all(origins.map(({ origin }) => origin.close()));
      await rm(folder, { recursive: true });
    },
  };
}

function configFor(ports: number[]): string {
  return JSON.stringify({
    apiVersion: 'mesh.tulle.dev/v1alpha1',
    kind: 'Sidecar',
    metadata: { name: 'conformance' },
    spec: {
      service: 'conformance',
      admin: { listen: '127.0.0.1:0' },
      inbound: ports.map((port, i) => ({
        name: `lane-${i}`,
        listen: '127.0.0.1:0',
        mtls: 'off',
        // Bytes that are no HTTP are to be refused here, not passed on.
        protocol: 'http',
        target: `127.0.0.1:${port}`,
      })),
      telemetry: { accessLog: 'off' },
    },
  });
}
