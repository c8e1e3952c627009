/**
 * The section `healthCheck` of a TrafficPolicy: how endpoints are asked whether they are well, and how often they may fail to say so.
 */
import { z } from 'zod';
import { policyMode, serviceHost } from '../../config/values.ts';

const MAX_MS = 3_600_000;
const MAX_PATH_BYTES = 1_024;
const MAX_STATUSES = 16;

// It becomes part of a request as it is: RFC 3986 leaves nothing else.
const path = z
  .string()
  .max(MAX_PATH_BYTES)
  .regex(/^\/[\w\-.~!$&'()*+,;=:@%/?]*$/, 'must be a path that begins with "/"');
const grpcService = z
  .string()
  .max(MAX_PATH_BYTES)
  .regex(/^[\w.]*$/, 'must be the full name of a gRPC service, or empty for the server as a whole');

export const healthCheck = z
  .strictObject({
    mode: policyMode,
    http: z
      .strictObject({
        path,
        host: serviceHost().optional(),
        /** Any from 200 to 299, if not said. */
        statuses: z.array(z.int().min(200).max(599)).min(1).max(MAX_STATUSES).optional(),
      })
      .optional(),
    grpc: z.strictObject({ service: grpcService.default('') }).optional(),
    tcp: z.strictObject({}).optional(),
    intervalMs: z.int().min(100).max(MAX_MS).default(5_000),
    timeoutMs: z.int().min(50).max(MAX_MS).default(1_000),
    jitter: z.number().min(0).max(1).default(0.1),
    unhealthyThreshold: z.int().min(1).max(100).default(3),
    healthyThreshold: z.int().min(1).max(100).default(2),
  })
  .superRefine(({ http, grpc, tcp }, context) => {
    const given = [http, grpc, tcp].filter((each) => each !== undefined).length;
    if (given === 1) return;
    context.addIssue({
      code: 'custom',
      message: `must have exactly one of http, grpc and tcp, and has ${given === 0 ? 'none' : 'more'}`,
      params: { suggestion: 'write `http: { path: /healthz }`, `grpc: {}` or `tcp: {}`' },
    });
  });

export type HealthCheckSpec = z.output<typeof healthCheck>;
