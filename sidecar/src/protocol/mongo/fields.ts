/**
 * What is looked at in the documents of MongoDB messages: of a request its command, database and collection, of a reply whether it
 * failed, and how.
 *
 * Invariant: no other value is ever looked at.
 */

import type { DataStoreNames } from '../../observe/datastore.ts';
import { byName, OTHER_NAME } from '../datastore/byte-map.ts';
import {
  ARRAY,
  type BsonVisitor,
  type BsonWalker,
  DOCUMENT,
  ENTER,
  SKIP,
  STRING,
  TAKE,
} from './bson-walker.ts';
import { MONGO_COMMANDS, type MongoCommand } from './commands.ts';

type RequestField = 'database' | 'collection' | 'awaits';
const REQUEST_FIELDS = byName<RequestField>([
  ['$db', 'database'],
  ['collection', 'collection'],
  // The client is ready to wait that long for news: only cursors that await data and `hello` take these.
  ['maxTimeMS', 'awaits'],
  ['maxAwaitTimeMS', 'awaits'],
]);

const UNKNOWN: MongoCommand = { name: OTHER_NAME, collection: 'none' };

export class RequestFields implements BsonVisitor {
  command = UNKNOWN;
  database = '';
  collection = '';
  /** The server may keep the answer back until there is news. */
  awaits = false;
  private first = true;
  private taking: RequestField = 'collection';
  private readonly names: DataStoreNames;

  constructor(names: DataStoreNames) {
    this.names = names;
  }

  reset(): void {
    this.command = UNKNOWN;
    this.database = '';
    this.collection = '';
    this.awaits = false;
    this.first = true;
  }

  onElement({ key, keyLength, type }: BsonWalker): number {
    if (this.first) {
      this.first = false;
      this.command = keyLength > key.length ? UNKNOWN : (MONGO_COMMANDS.get(key, 0, keyLength) ?? UNKNOWN);
      this.taking = 'collection';
      return this.command.collection === 'first' && type === STRING ? TAKE : SKIP;
    }
    const field = keyLength > key.length ? undefined : REQUEST_FIELDS.get(key, 0, keyLength);
    if (field === undefined) return SKIP;
    if (field === 'awaits') {
      const { name } = this.command;
      this.awaits ||= name === 'getMore' || name === 'hello';
      return SKIP;
    }
    this.taking = field;
    return type === STRING && (field === 'database' || this.command.collection === 'field') ? TAKE : SKIP;
  }

  onValue({ text, textLength }: BsonWalker): void {
    const { targets, namespaces } = this.names;
    const length = textLength > text.length ? 0 : textLength;
    if (this.taking === 'database') this.database = namespaces.nameOf(text, 0, length);
    else this.collection = targets.nameOf(text, 0, length);
  }

  onLeave(): void {}
}

type ReplyField = 'ok' | 'code' | 'codeName' | 'writeErrors' | 'writeConcernError';
const REPLY_FIELDS = byName<ReplyField>([
  ['ok', 'ok'],
  ['code', 'code'],
  ['codeName', 'codeName'],
  ['writeErrors', 'writeErrors'],
  ['writeConcernError', 'writeConcernError'],
]);

export class ReplyFields implements BsonVisitor {
  ok = true;
  /** Of the command, else of the first write that failed; 0 when there is none. */
  code = 0;
  codeName = '';
  writeErrors = 0;
  writeConcernFailed = false;
  private taking: ReplyField = 'ok';
  /** What was entered. */
  private inside: 'nothing' | 'writeErrors' | 'writeConcernError' = 'nothing';
  private readonly names: DataStoreNames;

  constructor(names: DataStoreNames) {
    this.names = names;
  }

  reset(): void {
    this.ok = true;
    this.code = 0;
    this.codeName = '';
    this.writeErrors = 0;
    this.writeConcernFailed = false;
    this.inside = 'nothing';
  }

  onElement({ key, keyLength, type }: BsonWalker, depth: number): number {
    // The elements of `writeErrors` are documents; the first one's code stands for all.
    if (this.inside === 'writeErrors' && depth === 1) return ++this.writeErrors === 1 ? ENTER : SKIP;
    const field = keyLength > key.length ? undefined : REPLY_FIELDS.get(key, 0, keyLength);
    if (field === undefined) return SKIP;
    if (depth > 0) {
      if (field !== 'code' && field !== 'codeName') return SKIP;
    } else if (field === 'writeErrors' || field === 'writeConcernError') {
      if (type !== ARRAY && type !== DOCUMENT) return SKIP;
      this.inside = field;
      this.writeConcernFailed ||= field === 'writeConcernError';
      return ENTER;
    }
    this.taking = field;
    return TAKE;
  }

  onValue({ type, number, text, textLength }: BsonWalker, depth: number): void {
    // What the command itself says comes last and wins.
    if (type === STRING) {
      if (this.taking !== 'codeName' || textLength > text.length) return;
      if (depth === 0 || this.codeName === '') this.codeName = this.names.errors.nameOf(text, 0, textLength);
    } else if (this.taking === 'ok') {
      this.ok = number === 1;
    } else if (this.taking === 'code' && (depth === 0 || this.code === 0)) {
      this.code = number;
    }
  }

  onLeave(depth: number): void {
    if (depth === 1) this.inside = 'nothing';
  }
}
