/**
 * An endpoint that belongs to no service: nobody chooses it among others.
 */
import type { Endpoint, UpstreamTransport } from './endpoint.ts';
import { EndpointGroup, type EndpointGroupDeps } from './endpoint-group.ts';
import { DEFAULT_TRAFFIC } from './traffic-policy.ts';

const UNJUDGED: EndpointGroupDeps = {
  observer: { onEjection: () => {}, onReturn: () => {}, onHealthChange: () => {} },
  random: () => 0,
};

export function loneEndpoint(address: string, transport: UpstreamTransport): Endpoint {
  const group = new EndpointGroup(address, UNJUDGED);
  group.follow([address], DEFAULT_TRAFFIC, 0);
  return { address, weight: 1, zone: '', transport, record: group.recordOf(address) };
}
