/**
 * The Services that documents can name: the own one, and those that are called.
 */
import { HANDLING, type Protocol } from '../protocol/protocol.ts';
import type { SidecarConfig } from './schema.ts';

export type ServiceName = { readonly namespace: string; readonly name: string };

export type KnownService = {
  /** Requests from peers to it pass this sidecar, which stands in front of it. */
  readonly served: boolean;
  /** Requests to it pass this sidecar. */
  readonly called: boolean;
  /** One of both in HTTP, which is what policies and routes are about. */
  readonly speaksHttp: boolean;
};

/** By `serviceKey`. */
export function listServices(config: SidecarConfig): ReadonlyMap<string, KnownService> {
  const { namespace, service, inbound, outbound } = config;
  const services = new Map<string, KnownService>();
  services.set(serviceKey({ namespace, name: service }), {
    served: true,
    called: false,
    speaksHttp: inbound.some(({ protocol }) => passesFilters(protocol)),
  });
  for (const entry of outbound?.services ?? []) {
    const own = services.get(serviceKey(entry));
    services.set(serviceKey(entry), {
      served: own?.served ?? false,
      called: true,
      speaksHttp: passesFilters(entry.protocol) || (own?.speaksHttp ?? false),
    });
  }
  return services;
}

export function serviceKey({ namespace, name }: ServiceName): string {
  return `${namespace}/${name}`;
}

function passesFilters(protocol: Protocol): boolean {
  return HANDLING[protocol] !== 'tcp';
}
