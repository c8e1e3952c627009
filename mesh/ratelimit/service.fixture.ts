/**
 * For tests: the service in the process, over policies from what their documents would say, and a client of it.
 */
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { systemClock } from '../../sidecar/src/core/clock.ts';
import { spec } from '../../sidecar/src/filters/rate-limit/config.ts';
import { RateLimits } from '../../sidecar/src/filters/rate-limit/rate-limits.ts';
import { type RateLimitRequest, type RateLimitResponse, rateLimitService } from './messages.ts';
import { startRateLimitServer } from './server.ts';

export interface RunningService {
  readonly port: number;
  readonly limits: RateLimits;
  /** `event domain` of what was reported. */
  readonly reported: string[];
  ask(request: Partial<RateLimitRequest>): Promise<RateLimitResponse>;
  stop(): Promise<void>;
}

export async function startService(
  policies: Record<string, Record<string, unknown>>,
): Promise<RunningService> {
  const reported: string[] = [];
  const report = (event: string, fields: Readonly<Record<string, unknown>>) =>
    void reported.push(`${event} ${fields.domain ?? ''}`.trim());
  const limits = new RateLimits({ clock: systemClock, random: () => 0.5, report });
  const server = await startRateLimitServer({
    listen: { host: '127.0.0.1', port: 0 },
    policies: Object.entries(policies).map(([name, document]) => ({
      ...{ namespace: 'demo', name },
      spec: spec.parse(document),
    })),
    limits,
    clock: systemClock,
    report,
  });
  const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = rateLimitService().ShouldRateLimit as NonNullable<
    ReturnType<typeof rateLimitService>[string]
  >;
  return {
    port: server.port,
    limits,
    reported,
    ask: (request) =>
      new Promise((resolve, reject) => {
        const done = (error: ServiceError | null, response?: unknown) =>
          error === null ? resolve(response as RateLimitResponse) : reject(error);
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, done);
      }),
    async stop() {
      client.close();
      await server.stop();
      limits.close();
    },
  };
}

export const descriptor = (entries: Record<string, string>, more: object = {}) => ({
  entries: Object.entries(entries).map(([key, value]) => ({ key, value })),
  hits_addend: null,
  is_negative_hits: false,
  ...more,
});
