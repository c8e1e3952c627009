/**
 * Chooses an endpoint for an exchange.
 */
import type { Endpoint } from './endpoint.ts';

export interface Balancer {
  readonly endpoints: readonly Endpoint[];
  /** Null when there is none to choose from. */
  pick(): Endpoint | null;
}

/** Every endpoint in turn. */
export class RoundRobin implements Balancer {
  readonly endpoints: readonly Endpoint[];
  private next = 0;

  constructor(endpoints: readonly Endpoint[]) {
    this.endpoints = endpoints;
  }

  pick(): Endpoint | null {
    if (this.endpoints.length === 0) return null;
    if (this.next >= this.endpoints.length) this.next = 0;
    return this.endpoints[this.next++] as Endpoint;
  }
}
