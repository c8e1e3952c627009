/**
 * The Redis connection for commands that a request waits for: it fails fast instead of queueing while Redis is away.
 *
 * Invariants: a command takes at most `redisCommandMs`; reconnecting goes on for ever in the background; an outage is one line in the log
 * when it begins and one when it ends.
 */
import { Redis } from 'ioredis';
import { LIMITS } from './limits.ts';
import type { Logger } from './log.ts';
import { Problem } from './problem.ts';

export function openRedis(url: string, log: Logger): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: LIMITS.redisConnectMs,
    commandTimeout: LIMITS.redisCommandMs,
    retryStrategy: (times) => Math.min(50 * 2 ** times, LIMITS.redisReconnectMs),
  });
  let isAway = false;
  redis.on('error', (error) => {
    if (!isAway) log.warn({ reason: error.message }, 'redis is away');
    isAway = true;
  });
  redis.on('ready', () => {
    if (isAway) log.info('redis is back');
    isAway = false;
  });
  return redis;
}

export async function checkRedis(redis: Redis): Promise<void> {
  if (redis.status !== 'ready') throw new Error(`no connection (${redis.status})`);
  await redis.ping();
}

/** Tells a caller that the queue store failed, and keeps the reason for the log. */
export async function orUnavailable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem({
      status: 503,
      code: 'queue_unavailable',
      detail: 'The job queue cannot be reached; nothing is known to be queued. Send the request again.',
      headers: { 'retry-after': '1' },
      cause: error,
    });
  }
}
