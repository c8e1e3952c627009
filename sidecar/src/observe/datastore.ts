/**
 * What the parsers beside relayed connections report: commands to data stores and how they were answered.
 *
 * Invariants
 * - No value and no argument is ever in here: a command's name, what it is about (collection, topic, key prefix), sizes, times and codes.
 * - A `DataStoreCommand` is reused. It is valid until the observer returns.
 */
import { BoundedNames, ByteMap } from '../protocol/datastore/byte-map.ts';
import { OBSERVE_LIMITS } from './limits.ts';

export type DataStoreProtocol = 'redis' | 'mongo' | 'kafka';

export function isDataStore(protocol: string): protocol is DataStoreProtocol {
  return protocol === 'redis' || protocol === 'mongo' || protocol === 'kafka';
}

/** Why a parser let go of a connection. `unexpected_reply`: an answer that nobody had asked for, so what follows can't be matched. */
export const DESYNC_REASONS = [
  'tls',
  'malformed',
  'too_long',
  'too_deep',
  'in_flight_full',
  'unexpected_reply',
  'unsupported',
  'internal_error',
] as const;
export type DesyncReason = (typeof DESYNC_REASONS)[number];

/** `errorType` of a command whose connection closed before it was answered. */
export const CONNECTION_CLOSED = 'connection_closed';

export class DataStoreCommand {
  readonly protocol: DataStoreProtocol;
  /** `host:port` of the server. */
  readonly endpoint: string;
  operation = '';
  /** MongoDB: the database. */
  namespace = '';
  /** MongoDB: collection; Kafka: topic; Redis: key prefix, if config asks for it. Empty when there is none, or none is known. */
  target = '';
  /** Monotonic: the first byte of the command, the first and the last of the answer. `firstByteMs` is `endedMs` without an answer. */
  startedMs = 0;
  firstByteMs = 0;
  endedMs = 0;
  /** The part of the time until answers to earlier commands of the same connection came, except those that came together with this one. */
  waitedMs = 0;
  /** As the server gave it; empty when it gave none. Set without `errorType` for answers that are no failures, like a redirect. */
  statusCode = '';
  /** Empty for success. */
  errorType = '';
  /** How many errors the answer names, where one answer can name several. */
  errorCount = 0;
  /** The client asked the server to wait, so a long duration is no slowness. */
  blocking = false;
  /** Commands of a transaction, or topics of a request; 0 where neither applies. */
  batchSize = 0;
  requestBytes = 0;
  responseBytes = 0;

  constructor(protocol: DataStoreProtocol, endpoint: string) {
    this.protocol = protocol;
    this.endpoint = endpoint;
  }
}

export interface DataStoreObserver {
  readonly names: DataStoreNames;
  onCommand(command: DataStoreCommand): void;
  /** The tap of one connection has turned itself off. */
  onDesync(reason: DesyncReason): void;
  /** An answer to no known command, or a command without an answer when its connection closed. */
  onUnmatched(): void;
}

/** Names that came over the wire, told apart up to a bound; shared by all connections to one service. */
export class DataStoreNames {
  readonly targets = new BoundedNames(OBSERVE_LIMITS.dataStoreTargets);
  readonly namespaces = new BoundedNames(OBSERVE_LIMITS.dataStoreNamespaces);
  readonly errors = new BoundedNames(OBSERVE_LIMITS.dataStoreErrors);
  /** Kafka: topic names by their 16-byte ids. */
  readonly topicIds = new ByteMap<string>(OBSERVE_LIMITS.dataStoreTopicIds);
}
