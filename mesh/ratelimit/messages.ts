/**
 * The messages of rls.proto as they come off and go on the wire.
 */
import { join } from 'node:path';
import { loadPackageDefinition, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

export interface RateLimitRequest {
  readonly domain: string;
  readonly descriptors: readonly Descriptor[];
  readonly hits_addend: number;
}

export interface Descriptor {
  readonly entries: readonly { readonly key: string; readonly value: string }[];
  /** Null when the descriptor has none of its own. */
  readonly hits_addend: { readonly value: number } | null;
  readonly is_negative_hits: boolean;
}

export const OK = 1;
export const OVER_LIMIT = 2;

export interface RateLimitResponse {
  readonly overall_code: typeof OK | typeof OVER_LIMIT;
  readonly statuses: readonly DescriptorStatus[];
  readonly response_headers_to_add: readonly { readonly key: string; readonly value: string }[];
}

export interface DescriptorStatus {
  readonly code: typeof OK | typeof OVER_LIMIT;
  readonly current_limit?: {
    readonly requests_per_unit: number;
    readonly unit: number;
    readonly name: string;
  };
  readonly limit_remaining?: number;
  readonly duration_until_reset?: { readonly seconds: number; readonly nanos: number };
}

/** Numbers of `RateLimitResponse.Unit`, by its length in seconds. */
export const UNITS: ReadonlyMap<number, number> = new Map([
  [1, 1],
  [60, 2],
  [3_600, 3],
  [86_400, 4],
]);

const PROTO = join(import.meta.dirname, 'rls.proto');

export function rateLimitService(): ServiceDefinition {
  const definition = loadSync(PROTO, { keepCase: true, longs: Number, enums: Number, defaults: true });
  // The definition says what it is only when it is looked at.
  const root = loadPackageDefinition(definition) as unknown as {
    envoy: { service: { ratelimit: { v3: { RateLimitService: { service: ServiceDefinition } } } } };
  };
  return root.envoy.service.ratelimit.v3.RateLimitService.service;
}
