// Two sidecars in the way: a caller's, with a listener for one service, and the callee's in front of that service.

import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import { createFolder, openAuthority, sidecarConfig, spiffeId, writeIdentity } from '../e2e/mesh-fixture.ts';
import type { Passage, Stand } from './stand.ts';

export interface PairOptions {
  mtls: 'strict' | 'off';
  /** What the service speaks. */
  protocol: 'grpc' | 'http2' | 'http';
}

export function throughTwoSidecars({ mtls, protocol }: PairOptions): Passage {
  return async (serverPort): Promise<Stand> => {
    const folder = await createFolder();
    const sidecars: Sidecar[] = [];
    const stop = async () => {
      for (const sidecar of sidecars) await sidecar.drain();
      await folder.remove();
    };
    const start = async (name: string, spec: Record<string, unknown>): Promise<Sidecar> => {
      const configPath = await folder.write(`${name}.yaml`, sidecarConfig(name, spec));
      const sidecar = await startSidecar({ configPath });
      sidecars.push(sidecar);
      return sidecar;
    };
    try {
      const authority = await openAuthority();
      const identityOf = async (service: string) =>
        mtls === 'off'
          ? {}
          : { identity: await writeIdentity(folder, authority, { spiffeId: spiffeId(service) }) };
      const callee = await start('callee', {
        ...(await identityOf('callee')),
        inbound: [
          { name: 'service', listen: '127.0.0.1:0', mtls, protocol, target: `127.0.0.1:${serverPort}` },
        ],
      });
      const service = {
        host: 'callee',
        mtls,
        ...(mtls === 'off' ? {} : { identity: spiffeId('callee') }),
        protocol,
        listen: '127.0.0.1:0',
        endpoints: [`127.0.0.1:${callee.inboundPorts.service}`],
      };
      const caller = await start('caller', {
        ...(await identityOf('caller')),
        outbound: { listen: '127.0.0.1:0', services: [service] },
      });
      return { port: caller.servicePorts.callee as number, stop };
    } catch (error) {
      await stop();
      throw error;
    }
  };
}
