/**
 * The Services that documents can name: the own one, and those that are called.
 */
import { HANDLING, type Protocol } from '../protocol/protocol.ts';
import type { SidecarConfig } from './schema.ts';

export type ServiceName = { readonly namespace: string; readonly name: string };

export type KnownService = {
  /** Whether requests to it, or from peers if it is the own one, pass filters. */
  readonly speaksHttp: boolean;
};

/** By `serviceKey`. */
export function listServices(config: SidecarConfig): ReadonlyMap<string, KnownService> {
  const { namespace, service, inbound, outbound } = config;
  const services = new Map<string, KnownService>();
  services.set(serviceKey({ namespace, name: service }), {
    // Without an entry there is nothing to say about it, and nothing to have an effect on.
    speaksHttp: inbound.some(({ protocol }) => passesFilters(protocol)),
  });
  for (const entry of outbound?.services ?? []) {
    const key = serviceKey(entry);
    const speaksHttp = passesFilters(entry.protocol) || (services.get(key)?.speaksHttp ?? false);
    services.set(key, { speaksHttp });
  }
  return services;
}

export function serviceKey({ namespace, name }: ServiceName): string {
  return `${namespace}/${name}`;
}

function passesFilters(protocol: Protocol): boolean {
  return HANDLING[protocol] !== 'tcp';
}
