/**
 * What is looked at in a Kafka request: its header, whether an answer comes, and the topic of Produce and Fetch.
 *
 * Invariant: no record, key, header, client id or group is ever looked at.
 */
import type { DataStoreNames, DesyncReason } from '../../observe/datastore.ts';
import {
  FETCH,
  isFlexible,
  isKnownVersion,
  isWaiting,
  MAX_API_KEY,
  MAX_API_VERSION,
  PRODUCE,
} from './apis.ts';
import { Cursor } from './cursor.ts';

/** In a topic's place when a request is about more than one. */
export const SEVERAL_TOPICS = '(several)';

/** Version from which topics are named by their ids. */
const TOPIC_IDS_SINCE = 13;

export class RequestInfo {
  apiKey = 0;
  version = 0;
  correlationId = 0;
  /** Produce without acknowledgement. */
  wantsNoAnswer = false;
  waits = false;
  topic = '';
  topicCount = 0;
  private readonly names: DataStoreNames;
  private readonly cursor = new Cursor();
  /** The topic of the fetch session: a request of a session names only what has changed since the last one. */
  private sessionTopic = '';

  constructor(names: DataStoreNames) {
    this.names = names;
  }

  read(bytes: Uint8Array, start: number, end: number): DesyncReason | null {
    const { cursor } = this;
    cursor.reset(bytes, start, end);
    this.apiKey = cursor.i16();
    this.version = cursor.i16();
    this.correlationId = cursor.i32();
    this.wantsNoAnswer = false;
    this.topic = '';
    this.topicCount = 0;
    const { apiKey, version } = this;
    if (apiKey < 0 || apiKey > MAX_API_KEY || version < 0 || version > MAX_API_VERSION) return 'malformed';
    this.waits = isWaiting(apiKey);
    if (!isKnownVersion(apiKey, version)) return null;
    const flexible = isFlexible(apiKey, version);
    // The client id keeps its old form in every header.
    cursor.string(false);
    cursor.tags(flexible);
    if (apiKey === PRODUCE) return this.readProduce(version, flexible);
    if (apiKey === FETCH) this.readFetch(version, flexible);
    return null;
  }

  private readProduce(version: number, flexible: boolean): DesyncReason | null {
    const { cursor } = this;
    if (version >= 3) cursor.string(flexible);
    this.wantsNoAnswer = cursor.i16() === 0;
    // Without this field nobody knows whether the next answer is for this request.
    if (cursor.overrun) return 'too_long';
    cursor.skip(4);
    this.readTopics(version, flexible);
    return null;
  }

  private readFetch(version: number, flexible: boolean): void {
    const { cursor } = this;
    if (version < 15) cursor.skip(4);
    this.waits = cursor.i32() > 0;
    cursor.skip(version >= 4 ? 9 : version === 3 ? 8 : 4);
    let epoch = 0;
    if (version >= 7) {
      cursor.skip(4);
      epoch = cursor.i32();
    }
    this.readTopics(version, flexible);
    this.followSession(epoch);
  }

  private readTopics(version: number, flexible: boolean): void {
    const { cursor, names } = this;
    this.topicCount = cursor.count(flexible);
    if (this.topicCount === 0) return;
    if (this.topicCount > 1) {
      this.topic = SEVERAL_TOPICS;
      return;
    }
    if (version >= TOPIC_IDS_SINCE) cursor.uuid();
    else cursor.string(flexible);
    if (cursor.overrun) return;
    const { from, to } = cursor;
    this.topic =
      version >= TOPIC_IDS_SINCE
        ? (names.topicIds.get(cursor.bytes, from, to) ?? '')
        : names.targets.nameOf(cursor.bytes, from, to);
  }

  private followSession(epoch: number): void {
    // 0 begins a session with all its topics, -1 has none.
    if (epoch <= 0 || this.sessionTopic === '') this.sessionTopic = this.topic;
    else if (this.topicCount > 0 && this.topic !== this.sessionTopic) this.sessionTopic = SEVERAL_TOPICS;
    this.topic = this.sessionTopic;
  }
}
