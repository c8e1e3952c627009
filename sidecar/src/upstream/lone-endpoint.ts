/**
 * An endpoint that belongs to no service: nobody chooses it among others.
 */
import type { Endpoint, UpstreamTransport } from './endpoint.ts';
import { EndpointGroup } from './endpoint-group.ts';
import { DEFAULT_TRAFFIC } from './traffic-policy.ts';

export function loneEndpoint(address: string, transport: UpstreamTransport): Endpoint {
  const group = new EndpointGroup(address);
  group.follow([address], DEFAULT_TRAFFIC, 0);
  return { address, weight: 1, zone: '', transport, record: group.recordOf(address) };
}
