/**
 * What is looked at in a Kafka response: the error codes that stand in its beginning, and the names of topics in metadata.
 *
 * Invariant: a response is read as far as its beginning goes; errors that stand behind it are not seen.
 */
import type { DataStoreNames } from '../../observe/datastore.ts';
import { errorOffset, FETCH, isFlexible, isKnownVersion, METADATA, PRODUCE } from './apis.ts';
import { Cursor } from './cursor.ts';

const TOPIC_IDS_SINCE = 13;

export class ResponseInfo {
  /** The first error; 0 when none was seen. */
  errorCode = 0;
  errorCount = 0;
  private readonly names: DataStoreNames;
  private readonly cursor = new Cursor();

  constructor(names: DataStoreNames) {
    this.names = names;
  }

  correlationId(bytes: Uint8Array, start: number, end: number): number {
    this.cursor.reset(bytes, start, end);
    return this.cursor.i32();
  }

  /** Behind the correlation id. */
  read(apiKey: number, version: number): void {
    const { cursor } = this;
    this.errorCode = 0;
    this.errorCount = 0;
    const flexible = isFlexible(apiKey, version);
    cursor.tags(flexible);
    if (isKnownVersion(apiKey, version)) {
      if (apiKey === PRODUCE) this.readProduce(version, flexible);
      else if (apiKey === FETCH) this.readFetch(version, flexible);
      else if (apiKey === METADATA) this.readMetadata(version, flexible);
      return;
    }
    const offset = errorOffset(apiKey, version);
    if (offset === -1) return;
    cursor.skip(offset);
    this.note(cursor.i16());
  }

  private note(code: number): void {
    if (code === 0 || this.cursor.overrun) return;
    if (this.errorCount++ === 0) this.errorCode = code;
  }

  private readTopic(version: number, flexible: boolean): void {
    if (version >= TOPIC_IDS_SINCE) this.cursor.uuid();
    else this.cursor.string(flexible);
  }

  private readProduce(version: number, flexible: boolean): void {
    const { cursor } = this;
    for (let topics = cursor.count(flexible); topics > 0 && !cursor.overrun; topics--) {
      this.readTopic(version, flexible);
      for (let partitions = cursor.count(flexible); partitions > 0 && !cursor.overrun; partitions--) {
        cursor.skip(4);
        this.note(cursor.i16());
        cursor.skip(8 + (version >= 2 ? 8 : 0) + (version >= 5 ? 8 : 0));
        if (version >= 8) this.skipRecordErrors(flexible);
        cursor.tags(flexible);
      }
      cursor.tags(flexible);
    }
  }

  private skipRecordErrors(flexible: boolean): void {
    const { cursor } = this;
    for (let errors = cursor.count(flexible); errors > 0 && !cursor.overrun; errors--) {
      cursor.skip(4);
      cursor.string(flexible);
      cursor.tags(flexible);
    }
    cursor.string(flexible);
  }

  private readFetch(version: number, flexible: boolean): void {
    const { cursor } = this;
    if (version >= 1) cursor.skip(4);
    if (version >= 7) {
      this.note(cursor.i16());
      cursor.skip(4);
    }
    for (let topics = cursor.count(flexible); topics > 0 && !cursor.overrun; topics--) {
      this.readTopic(version, flexible);
      for (let partitions = cursor.count(flexible); partitions > 0 && !cursor.overrun; partitions--) {
        cursor.skip(4);
        this.note(cursor.i16());
        cursor.skip(8 + (version >= 4 ? 8 : 0) + (version >= 5 ? 8 : 0));
        if (version >= 4) this.skipAborted(flexible);
        if (version >= 11) cursor.skip(4);
        cursor.blob(flexible);
        cursor.tags(flexible);
      }
      cursor.tags(flexible);
    }
  }

  private skipAborted(flexible: boolean): void {
    const { cursor } = this;
    for (let aborted = cursor.count(flexible); aborted > 0 && !cursor.overrun; aborted--) {
      cursor.skip(16);
      cursor.tags(flexible);
    }
  }

  private readMetadata(version: number, flexible: boolean): void {
    const { cursor } = this;
    if (version >= 3) cursor.skip(4);
    for (let brokers = cursor.count(flexible); brokers > 0 && !cursor.overrun; brokers--) {
      cursor.skip(4);
      cursor.string(flexible);
      cursor.skip(4);
      if (version >= 1) cursor.string(flexible);
      cursor.tags(flexible);
    }
    if (version >= 2) cursor.string(flexible);
    if (version >= 1) cursor.skip(4);
    for (let topics = cursor.count(flexible); topics > 0 && !cursor.overrun; topics--) {
      this.readTopicMetadata(version, flexible);
    }
  }

  private readTopicMetadata(version: number, flexible: boolean): void {
    const { cursor } = this;
    this.note(cursor.i16());
    cursor.string(flexible);
    const { from, to } = cursor;
    if (version >= 10) {
      cursor.uuid();
      this.learnTopic(from, to);
    }
    if (version >= 1) cursor.skip(1);
    for (let partitions = cursor.count(flexible); partitions > 0 && !cursor.overrun; partitions--) {
      // Error, partition, leader and its epoch.
      cursor.skip(10 + (version >= 7 ? 4 : 0));
      cursor.skip(cursor.count(flexible) * 4);
      cursor.skip(cursor.count(flexible) * 4);
      if (version >= 5) cursor.skip(cursor.count(flexible) * 4);
      cursor.tags(flexible);
    }
    if (version >= 8) cursor.skip(4);
    cursor.tags(flexible);
  }

  private learnTopic(from: number, to: number): void {
    const { cursor, names } = this;
    if (cursor.overrun || from === to) return;
    if (names.topicIds.get(cursor.bytes, cursor.from, cursor.to) !== undefined) return;
    names.topicIds.add(cursor.bytes, cursor.from, cursor.to, names.targets.nameOf(cursor.bytes, from, to));
  }
}
