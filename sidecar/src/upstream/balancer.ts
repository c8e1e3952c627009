/**
 * Chooses an endpoint for an exchange.
 */
import type { Exchange } from '../core/exchange.ts';
import type { Endpoint } from './endpoint.ts';

export interface Balancer {
  readonly endpoints: readonly Endpoint[];
  /**
   * One that the exchange has not tried (`exchange.tried`), as long as there is one; null when no endpoint may be used at all. Allocates
   * nothing, as long as the same endpoints may be used.
   */
  pick(exchange: Exchange): Endpoint | null;
  /** Why there is none, for people. */
  explainNone(): string;
}

/** Where there is no choice: addresses outside of the mesh, and health checks. */
export class SoleEndpoint implements Balancer {
  readonly endpoints: readonly Endpoint[];
  private readonly endpoint: Endpoint;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
    this.endpoints = [endpoint];
  }

  pick(): Endpoint {
    return this.endpoint;
  }

  explainNone(): string {
    return '';
  }
}
