/**
 * Watches a connection to MongoDB: which reply belongs to which command.
 *
 * Invariants
 * - Replies name the request that they answer; a request that wants no answer (moreToCome) waits for none. A reply that announces more
 *   is itself what the next one answers (exhaust).
 * - What is compressed is timed but not named: to inflate it here would cost the relay more than all else.
 */
import { LIMITS } from '../../core/limits.ts';
import type { DataStoreObserver, DesyncReason } from '../../observe/datastore.ts';
import { OTHER_NAME } from '../datastore/byte-map.ts';
import { DataStoreTap } from '../datastore/datastore-tap.ts';
import type { PendingCommand } from '../datastore/in-flight.ts';
import { ReplyFields, RequestFields } from './fields.ts';
import {
  MessageReader,
  type MessageSink,
  MORE_TO_COME,
  OP_COMPRESSED,
  OP_QUERY,
  OP_REPLY,
} from './message-reader.ts';

/** Operation of a request that nobody but its server can read. */
const COMPRESSED = 'OP_COMPRESSED';

export class MongoTap extends DataStoreTap {
  private readonly asked: RequestFields;
  private readonly answered: ReplyFields;
  private readonly requests: MessageReader;
  private readonly replies: MessageReader;
  private readonly requestSink: MessageSink = { onMessage: () => this.onRequest() };
  private readonly replySink: MessageSink = { onMessage: () => this.onReply() };
  private nowMs = 0;

  constructor(observer: DataStoreObserver, endpoint: string) {
    super('mongo', observer, endpoint, LIMITS.mongoInFlight);
    this.asked = new RequestFields(observer.names);
    this.answered = new ReplyFields(observer.names);
    this.requests = new MessageReader(OP_QUERY, this.asked);
    this.replies = new MessageReader(OP_REPLY, this.answered);
  }

  protected override readClient(
    bytes: Uint8Array,
    start: number,
    end: number,
    nowMs: number,
  ): DesyncReason | null {
    return this.requests.read(bytes, start, end, nowMs, this.requestSink);
  }

  protected override readServer(
    bytes: Uint8Array,
    start: number,
    end: number,
    nowMs: number,
  ): DesyncReason | null {
    this.nowMs = nowMs;
    return this.replies.read(bytes, start, end, nowMs, this.replySink);
  }

  private onRequest(): DesyncReason | null {
    const { requests, asked } = this;
    const wantsNoReply = (requests.flags & MORE_TO_COME) !== 0;
    const pending = wantsNoReply ? null : this.inFlight.push();
    if (pending !== null) {
      pending.id = requests.requestId;
      pending.operation = requests.opCode === OP_COMPRESSED ? COMPRESSED : asked.command.name;
      pending.namespace = asked.database;
      pending.target = asked.collection;
      pending.blocking = asked.awaits;
      pending.startedMs = requests.startedMs;
      pending.requestBytes = requests.bytes;
    }
    asked.reset();
    return pending === null && !wantsNoReply ? 'in_flight_full' : null;
  }

  private onReply(): DesyncReason | null {
    const { replies, inFlight } = this;
    const pending = inFlight.find(replies.responseTo);
    if (pending === null) {
      this.observer.onUnmatched();
    } else {
      this.complete(pending);
      inFlight.settle(pending);
      if ((replies.flags & MORE_TO_COME) !== 0) this.expectNext(pending);
    }
    this.answered.reset();
    return null;
  }

  private complete(pending: PendingCommand): void {
    const { command, answered, replies } = this;
    const { ok, code, codeName, writeErrors, writeConcernFailed } = answered;
    command.statusCode = '';
    command.errorType = '';
    command.errorCount = 0;
    if (!ok || writeErrors > 0 || writeConcernFailed) {
      command.statusCode = code === 0 ? '' : this.codeText(code);
      command.errorType = codeName || command.statusCode || OTHER_NAME;
      command.errorCount = Math.max(writeErrors, 1);
    }
    this.report(pending, replies.startedMs, this.nowMs, replies.bytes);
  }

  /** Codes are numbers that servers choose, so they are bounded like names. */
  private codeText(code: number): string {
    const digits = Buffer.from(String(code));
    return this.observer.names.errors.nameOf(digits, 0, digits.length);
  }

  private expectNext({ operation, namespace, target }: PendingCommand): void {
    const next = this.inFlight.push();
    if (next === null) return;
    next.id = this.replies.requestId;
    next.operation = operation;
    next.namespace = namespace;
    next.target = target;
    next.startedMs = this.nowMs;
    next.requestBytes = 0;
    // It comes when there is something to say.
    next.blocking = true;
  }
}
