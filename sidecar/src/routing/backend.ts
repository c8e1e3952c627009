/**
 * One of the services among which a rule shares its requests.
 */
import type { Balancer } from '../upstream/balancer.ts';
import type { HeaderChanges } from './route-config.ts';

export interface Backend {
  readonly name: string;
  readonly weight: number;
  /** Null when there is no such service: its share of the requests is refused. */
  readonly balancer: Balancer | null;
  /** SPIFFE id that it must prove; empty without mTLS. */
  readonly identity: string;
  readonly requestHeaders: HeaderChanges | null;
  readonly responseHeaders: HeaderChanges | null;
}
