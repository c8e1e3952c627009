/**
 * Watches a connection to Redis: which reply belongs to which command, and what is none.
 *
 * Invariants
 * - Replies come in the order of their commands. Messages of subscriptions, MONITOR lines and invalidations come in between and belong to
 *   none; a command without a reply (CLIENT REPLY OFF and SKIP) waits for none.
 * - A command that a transaction queues has not run: EXEC is reported in its place, with their number.
 */
import { LIMITS } from '../../core/limits.ts';
import type { DataStoreObserver, DesyncReason } from '../../observe/datastore.ts';
import { byName, OTHER_NAME } from '../datastore/byte-map.ts';
import { DataStoreTap } from '../datastore/datastore-tap.ts';
import type { PendingCommand } from '../datastore/in-flight.ts';
import { CommandReader, type CommandSink } from './command-reader.ts';
import { ReplyReader, type ReplySink } from './reply-reader.ts';
import { RESP } from './resp-types.ts';

/** Where a subscription is counted. */
const CHANNELS = 0;
const PATTERNS = 1;
const SHARDS = 2;

/** First elements of what subscriptions bring. */
const MESSAGE = 3;
const PUSHES = byName([
  ['subscribe', CHANNELS],
  ['unsubscribe', CHANNELS],
  ['psubscribe', PATTERNS],
  ['punsubscribe', PATTERNS],
  ['ssubscribe', SHARDS],
  ['sunsubscribe', SHARDS],
  ['message', MESSAGE],
  ['pmessage', MESSAGE],
  ['smessage', MESSAGE],
]);

const QUEUED = Buffer.from('QUEUED');
const SPACE = 0x20;
const ZERO = 0x30;
const NINE = 0x39;

/** Answers that send the client elsewhere, which is no failure. */
const REDIRECTS = new Set(['MOVED', 'ASK']);

export class RedisTap extends DataStoreTap implements CommandSink, ReplySink {
  private readonly commands: CommandReader;
  private readonly replies = new ReplyReader();
  /** CLIENT REPLY: no replies until further notice; none to the next command. */
  private repliesOff = false;
  private skipsNext = false;
  /** Messages come as pushes, so no array can be one. */
  private pushes = false;
  private monitoring = false;
  private inTransaction = false;
  private queued = 0;
  /** How many channels, patterns and shard channels the client is subscribed to. */
  private readonly subscriptions = [0, 0, 0];
  private nowMs = 0;

  constructor(observer: DataStoreObserver, endpoint: string, wantsPrefix: boolean) {
    super('redis', observer, endpoint, LIMITS.redisInFlight);
    this.commands = new CommandReader(wantsPrefix);
  }

  protected override readClient(
    bytes: Uint8Array,
    start: number,
    end: number,
    nowMs: number,
  ): DesyncReason | null {
    return this.commands.read(bytes, start, end, nowMs, this);
  }

  protected override readServer(
    bytes: Uint8Array,
    start: number,
    end: number,
    nowMs: number,
  ): DesyncReason | null {
    this.nowMs = nowMs;
    return this.replies.read(bytes, start, end, nowMs, this);
  }

  onCommand(): DesyncReason | null {
    const { commands } = this;
    const { command, prefixLength } = commands;
    if (command.role === 'replication') return 'unsupported';
    if (!this.expectsReply()) return null;
    const pending = this.inFlight.push();
    if (pending === null) return 'in_flight_full';
    const { targets } = this.observer.names;
    pending.operation = command.name;
    pending.role = command.role;
    pending.target = prefixLength === 0 ? '' : targets.nameOf(commands.word, 0, prefixLength);
    pending.startedMs = commands.startedMs;
    pending.requestBytes = commands.bytes;
    pending.batchSize = 0;
    pending.blocking = command.waits === 'always' || commands.blockOption;
    pending.detail = 1;
    if (isSubscription(pending)) {
      // One confirmation for every channel; without channels, for every one that there is by then.
      pending.detail = commands.argumentCount - 1;
      this.replies.watchesArrays = true;
    }
    return null;
  }

  onReply(): DesyncReason | null {
    const { replies } = this;
    const { head } = this.inFlight;
    if (this.monitoring && isMonitorLine(replies)) return null;
    if (replies.type === RESP.array && replies.wordLength > 0 && this.mayBeMessage(head)) {
      const push = PUSHES.get(replies.word, 0, replies.wordLength);
      if (push !== undefined) return this.onSubscription(push);
    }
    if (head === null) {
      this.observer.onUnmatched();
      return 'unexpected_reply';
    }
    if (this.inTransaction && isQueued(replies)) {
      this.queued++;
      this.inFlight.settle(head);
      return null;
    }
    this.followMode(head);
    this.complete(head);
    return null;
  }

  onPush(): DesyncReason | null {
    this.pushes = true;
    const push = PUSHES.get(this.replies.word, 0, this.replies.wordLength);
    return push === undefined ? null : this.onSubscription(push);
  }

  private expectsReply(): boolean {
    const { command, replyMode } = this.commands;
    if (command.role === 'reset' || replyMode === 'ON') {
      this.repliesOff = false;
      this.skipsNext = false;
      return true;
    }
    if (this.repliesOff) return false;
    if (replyMode === 'OFF' || replyMode === 'SKIP') {
      this.repliesOff = replyMode === 'OFF';
      this.skipsNext = replyMode === 'SKIP';
      return false;
    }
    const skipped = this.skipsNext;
    this.skipsNext = false;
    return !skipped;
  }

  private mayBeMessage(head: PendingCommand | null): boolean {
    if (this.pushes) return false;
    return (head !== null && isSubscription(head)) || this.subscriptions.some((count) => count > 0);
  }

  /** A message, or the confirmation that a subscription has begun or ended. */
  private onSubscription(push: number): null {
    if (push === MESSAGE) return null;
    const { subscriptions, replies } = this;
    const { head } = this.inFlight;
    const before = subscriptions[push] as number;
    // The server counts channels and patterns together.
    const others = push === SHARDS ? 0 : (subscriptions[push === CHANNELS ? PATTERNS : CHANNELS] as number);
    subscriptions[push] = Math.max(replies.third - others, 0);
    // A server ends a shard's subscription unasked when it gives the shard away.
    if (head === null || !isConfirmationOf(head, replies)) return null;
    if (head.detail === 0) head.detail = Math.max(before, 1);
    if (--head.detail === 0) this.complete(head);
    return null;
  }

  /** What the reply to this command changes about the replies that follow. */
  private followMode(head: PendingCommand): void {
    const { type, errorCount } = this.replies;
    switch (head.role) {
      case 'exec':
        head.batchSize = this.queued;
        this.inTransaction = false;
        break;
      case 'discard':
        this.inTransaction = false;
        break;
      case 'multi':
        if (errorCount > 0) break;
        this.inTransaction = true;
        this.queued = 0;
        break;
      case 'hello':
        if (errorCount === 0) this.pushes = type === RESP.map;
        break;
      case 'monitor':
        if (errorCount === 0) this.monitoring = true;
        break;
      case 'reset':
        this.pushes = false;
        this.monitoring = false;
        this.inTransaction = false;
        this.subscriptions.fill(0);
        break;
      default:
    }
  }

  private complete(head: PendingCommand): void {
    const { command, replies } = this;
    command.statusCode = replies.errorCount === 0 ? '' : this.errorCode();
    command.errorType = REDIRECTS.has(command.statusCode) ? '' : command.statusCode;
    command.errorCount = replies.errorCount;
    this.report(head, replies.firstByteMs, this.nowMs, replies.bytes);
    this.inFlight.settle(head);
  }

  /** The first word of an error, by convention in upper case. Scripts make up errors of their own, and those may hold anything. */
  private errorCode(): string {
    const { error, errorLength } = this.replies;
    let length = 0;
    while (length < errorLength && error[length] !== SPACE) {
      if (!isCodeByte(error[length] as number)) return OTHER_NAME;
      length++;
    }
    return length === 0 || length === error.length
      ? OTHER_NAME
      : this.observer.names.errors.nameOf(error, 0, length);
  }
}

function isSubscription({ role }: PendingCommand): boolean {
  return role === 'subscribe' || role === 'unsubscribe';
}

function isConfirmationOf({ role, operation }: PendingCommand, { word, wordLength }: ReplyReader): boolean {
  if ((role !== 'subscribe' && role !== 'unsubscribe') || operation.length !== wordLength) return false;
  // Both are known words; they differ in case alone, which is one bit.
  for (let i = 0; i < wordLength; i++)
    if (((word[i] as number) & 0xdf) !== operation.charCodeAt(i)) return false;
  return true;
}

function isQueued({ type, word, wordLength }: ReplyReader): boolean {
  if (type !== RESP.status || wordLength !== QUEUED.length) return false;
  for (let i = 0; i < wordLength; i++) if (word[i] !== QUEUED[i]) return false;
  return true;
}

/** MONITOR's lines begin with a time, statuses with a letter. */
function isMonitorLine({ type, word, wordLength }: ReplyReader): boolean {
  return type === RESP.status && wordLength > 0 && (word[0] as number) >= ZERO && (word[0] as number) <= NINE;
}

function isCodeByte(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= ZERO && byte <= NINE) || byte === 0x5f;
}
