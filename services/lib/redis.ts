/**
 * Connections to Redis whose user and password may change at any time, as dynamic credentials do.
 *
 * Invariants: new connections, copies of this one too, use the newest credentials; a connection that stands authenticates anew in the order of its
 * commands, so that none of them is lost and none is refused. A command that a request waits for takes at most `redisCommandMs` and fails fast while
 * Redis is away; reconnecting goes on for ever in the background; an outage is one line in the log when it begins and one when it ends.
 */
import { Redis, type RedisOptions } from 'ioredis';
import { z } from 'zod';
import { LIMITS } from './limits.ts';
import type { Logger } from './log.ts';
import { Problem } from './problem.ts';
import type { WatchSecret } from './service-secrets.ts';

/** As OpenBao's database engine gives them. */
const redisCredentials = z.strictObject({
  username: z.string().min(1).default('default'),
  password: z.string().min(1),
});

type RedisCredentials = z.infer<typeof redisCredentials>;

/** How to get there: shared by all connections of a service. */
export interface RedisAccess {
  url: string;
  log: Logger;
  /** The newest; undefined where Redis asks for none. */
  readonly credentials: RedisCredentials | undefined;
  /** Called when others take their place. */
  followers: Set<(credentials: RedisCredentials) => void>;
}

interface RedisUser {
  config: { redis: { url: string }; secrets: { redis?: unknown } };
  log: Logger;
  watchSecret: WatchSecret;
}

export function redisAccess({ config, log, watchSecret }: RedisUser): RedisAccess {
  let credentials: RedisCredentials | undefined;
  const followers: RedisAccess['followers'] = new Set();
  if (config.secrets.redis !== undefined) {
    watchSecret('redis', redisCredentials, (newest) => {
      credentials = newest;
      for (const follow of followers) follow(newest);
    });
  }
  return {
    url: config.redis.url,
    log,
    get credentials() {
      return credentials;
    },
    followers,
  };
}

/** The connection for commands that a request waits for: it fails fast instead of queueing while Redis is away. */
export function openRedis(access: RedisAccess): Redis {
  const { log } = access;
  const redis = new RotatingRedis(access, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: LIMITS.redisCommandMs,
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

/** A model for the connections of a job worker, which makes copies and, unlike a request, waits for Redis as long as it takes. Never connects itself. */
export function openWorkerRedis(access: RedisAccess): Redis {
  return new RotatingRedis(access, { maxRetriesPerRequest: null, lazyConnect: true });
}

class RotatingRedis extends Redis {
  // Not #private: BullMQ reaches these objects through a proxy.
  private readonly access: RedisAccess;
  private readonly follow: (credentials: RedisCredentials) => void;
  private isOutdated = false;

  constructor(access: RedisAccess, options: Omit<RedisOptions, 'replyMapping'>) {
    super(access.url, {
      connectTimeout: LIMITS.redisConnectMs,
      retryStrategy: (times) => Math.min(50 * 2 ** times, LIMITS.redisReconnectMs),
      ...options,
      ...access.credentials,
    });
    this.access = access;
    this.follow = (credentials) => this.rotate(credentials);
    access.followers.add(this.follow);
    this.on('ready', () => void this.authenticate());
    this.on('end', () => access.followers.delete(this.follow));
  }

  /** Also called by the constructor, which has the newest credentials, and by BullMQ for a connection that has ended. */
  override connect(...callback: Parameters<Redis['connect']>): Promise<void> {
    if (this.access !== undefined) {
      Object.assign(this.options, this.access.credentials);
      this.access.followers.add(this.follow);
    }
    return super.connect(...callback);
  }

  override duplicate(override?: Partial<RedisOptions>): Redis {
    const { replyMapping, ...options } = { ...this.options, ...override };
    return new RotatingRedis(this.access, options);
  }

  private rotate(credentials: RedisCredentials): void {
    Object.assign(this.options, credentials);
    this.isOutdated = true;
    void this.authenticate();
  }

  /** A connection that is being made may have sent the former credentials already, so it comes here again when it is ready. */
  private async authenticate(): Promise<void> {
    const { credentials } = this.access;
    if (!this.isOutdated || this.status !== 'ready' || credentials === undefined) return;
    this.isOutdated = false;
    try {
      await this.auth(credentials.username, credentials.password);
    } catch (error) {
      // The message alone: the error itself holds the command with its arguments.
      this.access.log.warn({ reason: (error as Error).message }, 'redis refused new credentials');
      this.isOutdated = true;
      setTimeout(() => void this.authenticate(), LIMITS.redisReconnectMs).unref();
    }
  }
}

export async function checkRedis(redis: Redis): Promise<string> {
  if (redis.status !== 'ready') throw new Error(`no connection (${redis.status})`);
  await redis.ping();
  return 'ok';
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
