/**
 * The tap for a protocol: the one thing that a relay has to know of this folder.
 */
import type { DataStoreObserver, DataStoreProtocol } from '../../observe/datastore.ts';
import { KafkaTap } from '../kafka/kafka-tap.ts';
import { MongoTap } from '../mongo/mongo-tap.ts';
import { RedisTap } from '../redis/redis-tap.ts';
import type { StreamTap } from '../tcp/stream-tap.ts';

export interface DataStoreTapOptions {
  /** `host:port` of the server that the connection goes to. */
  readonly endpoint: string;
  /** Redis: name what stands before the first colon of a command's first key. Off unless config asks for it. */
  readonly keyPrefixes: boolean;
}

export function createDataStoreTap(
  protocol: DataStoreProtocol,
  observer: DataStoreObserver,
  { endpoint, keyPrefixes }: DataStoreTapOptions,
): StreamTap {
  switch (protocol) {
    case 'redis':
      return new RedisTap(observer, endpoint, keyPrefixes);
    case 'mongo':
      return new MongoTap(observer, endpoint);
    default:
      return new KafkaTap(observer, endpoint);
  }
}
