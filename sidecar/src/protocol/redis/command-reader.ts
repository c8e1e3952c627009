/**
 * Reads what a Redis client sends: arrays of bulk strings, and inline commands, over any split.
 *
 * Invariants
 * - Of a command, only its name, its subcommand, some option words and, if asked for, the prefix of its first key are ever looked at. All
 *   other arguments are skipped by counting, those of AUTH and HELLO always.
 * - Memory is fixed.
 */
import { LIMITS } from '../../core/limits.ts';
import type { DesyncReason } from '../../observe/datastore.ts';
import { COMMAND_NAME_BYTES, findCommand, type RedisCommand, UNKNOWN_COMMAND } from './commands.ts';
import { INVALID, MORE, NumberLine } from './number-line.ts';

export interface CommandSink {
  /** A command is complete; the reader's fields tell about it until this returns. */
  onCommand(): DesyncReason | null;
}

/** What is being read. */
const BEGIN = 0;
const COUNT = 1;
const MARK = 2;
const LENGTH = 3;
const ARGUMENT = 4;
const ARGUMENT_CR = 5;
const ARGUMENT_LF = 6;
const INLINE = 7;
const INLINE_LF = 8;

/** Why an argument is looked at. */
const LOOK_NOT = 0;
const LOOK_NAME = 1;
const LOOK_SUBCOMMAND = 2;
const LOOK_KEY_COUNT = 3;
const LOOK_KEY = 4;
const LOOK_OPTION = 5;
const LOOK_REPLY_MODE = 6;
/** How much of it is kept. */
const KEPT_BYTES = [0, COMMAND_NAME_BYTES, COMMAND_NAME_BYTES, 1, LIMITS.redisKeyPrefixBytes, 8, 8];

const REPLY_MODES = ['ON', 'OFF', 'SKIP'] as const;

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const TLS_HANDSHAKE = 0x16;
const SPACE = 0x20;
const DOLLAR = 0x24;
const STAR = 0x2a;
const ZERO = 0x30;
const COLON = 0x3a;
const DELETE = 0x7f;

export class CommandReader {
  command: RedisCommand = UNKNOWN_COMMAND;
  argumentCount = 0;
  startedMs = 0;
  bytes = 0;
  /** XREAD and the like: the client gave the option BLOCK. */
  blockOption = false;
  /** CLIENT REPLY: the word that followed. */
  replyMode: '' | (typeof REPLY_MODES)[number] = '';
  /** The prefix of the first key lies at the beginning of `word`, without its colon; 0 when there is none. */
  prefixLength = 0;
  /** What was kept of the argument that was looked at last. */
  readonly word = new Uint8Array(LIMITS.redisKeyPrefixBytes);

  private readonly wantsPrefix: boolean;
  private readonly number = new NumberLine();
  private state = BEGIN;
  private index = 0;
  /** Of the current argument: length, bytes that are still to come, why it is looked at, and what was kept. */
  private length = 0;
  private left = 0;
  private look = LOOK_NOT;
  private kept = 0;
  private hasKeys = true;
  private optionsOver = false;

  constructor(wantsPrefix: boolean) {
    this.wantsPrefix = wantsPrefix;
  }

  read(bytes: Uint8Array, start: number, end: number, nowMs: number, sink: CommandSink): DesyncReason | null {
    let at = start;
    while (at < end) {
      const from = at;
      switch (this.state) {
        case BEGIN:
          this.beginCommand(nowMs);
          if (bytes[at] === TLS_HANDSHAKE) return 'tls';
          if (bytes[at] === STAR) {
            at++;
            this.number.begin();
            this.state = COUNT;
          } else {
            this.beginArgument(0);
            this.state = INLINE;
          }
          break;
        case COUNT:
          at = this.number.read(bytes, at, end);
          if (at === INVALID) return 'malformed';
          if (at === MORE) at = end;
          // A server answers nothing to an empty command.
          else if (this.number.value <= 0) this.state = BEGIN;
          else {
            this.argumentCount = this.number.value;
            this.state = MARK;
          }
          break;
        case MARK:
          if (bytes[at++] !== DOLLAR) return 'malformed';
          this.number.begin();
          this.state = LENGTH;
          break;
        case LENGTH:
          at = this.number.read(bytes, at, end);
          if (at === INVALID || (at !== MORE && this.number.value < 0)) return 'malformed';
          if (at === MORE) at = end;
          else {
            this.beginArgument(this.number.value);
            this.left = this.length;
            this.state = ARGUMENT;
          }
          break;
        case ARGUMENT: {
          const count = Math.min(this.left, end - at);
          if (this.look !== LOOK_NOT) this.keep(bytes, at, at + count);
          at += count;
          this.left -= count;
          if (this.left > 0 || at === end) break;
          this.state = ARGUMENT_CR;
          break;
        }
        case ARGUMENT_CR:
          if (bytes[at++] !== CR) return 'malformed';
          this.state = ARGUMENT_LF;
          break;
        case ARGUMENT_LF:
          if (bytes[at++] !== LF) return 'malformed';
          this.endArgument();
          this.state = this.index < this.argumentCount ? MARK : BEGIN;
          break;
        case INLINE:
          at = this.readInline(bytes, at, end);
          if (at === INVALID) return 'malformed';
          break;
        default:
          if (bytes[at++] !== LF) return 'malformed';
          this.state = BEGIN;
      }
      this.bytes += at - from;
      if (this.state === BEGIN && this.argumentCount > 0) {
        const reason = sink.onCommand();
        if (reason !== null) return reason;
      } else if (this.state >= INLINE && this.bytes > LIMITS.redisInlineBytes) {
        return 'too_long';
      }
    }
    return null;
  }

  private beginCommand(nowMs: number): void {
    this.command = UNKNOWN_COMMAND;
    this.argumentCount = 0;
    this.startedMs = nowMs;
    this.bytes = 0;
    this.blockOption = false;
    this.replyMode = '';
    this.prefixLength = 0;
    this.index = 0;
    this.hasKeys = true;
    this.optionsOver = false;
  }

  /** Words separated by blanks, up to CR or LF: people type these. */
  private readInline(bytes: Uint8Array, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte > SPACE && byte !== DELETE) {
        if (this.look !== LOOK_NOT) this.keep(bytes, at, at + 1);
        this.length++;
        continue;
      }
      if (byte !== SPACE && byte !== TAB && byte !== CR && byte !== LF) return INVALID;
      if (this.length > 0) {
        this.argumentCount++;
        this.endArgument();
        this.beginArgument(0);
      }
      if (byte === CR) {
        this.state = INLINE_LF;
        return at + 1;
      }
      if (byte === LF) {
        this.state = BEGIN;
        return at + 1;
      }
    }
    return end;
  }

  private beginArgument(length: number): void {
    this.length = length;
    this.kept = 0;
    this.look = this.lookFor();
  }

  private lookFor(): number {
    const { index, command } = this;
    if (index === 0) return LOOK_NAME;
    if (index === 1 && command.subcommands !== null) return LOOK_SUBCOMMAND;
    if (command.waits === 'by_option') return this.optionsOver ? LOOK_NOT : LOOK_OPTION;
    if (command.role === 'client_reply') return index === 2 ? LOOK_REPLY_MODE : LOOK_NOT;
    if (!this.wantsPrefix) return LOOK_NOT;
    if (index === command.keyAt && this.hasKeys) return LOOK_KEY;
    return index === command.keyCountAt ? LOOK_KEY_COUNT : LOOK_NOT;
  }

  private keep(bytes: Uint8Array, start: number, end: number): void {
    const { word } = this;
    const stop = Math.min(end, start + (KEPT_BYTES[this.look] as number) - this.kept);
    let { kept } = this;
    // Keys are the only thing whose case matters.
    if (this.look === LOOK_KEY) for (let at = start; at < stop; at++) word[kept++] = bytes[at] as number;
    else for (let at = start; at < stop; at++) word[kept++] = upperCase(bytes[at] as number);
    this.kept = kept;
  }

  private endArgument(): void {
    const { length, kept, word, command } = this;
    switch (this.look) {
      case LOOK_NAME:
        this.command = length === kept ? findCommand(word, length) : UNKNOWN_COMMAND;
        break;
      case LOOK_SUBCOMMAND:
        if (length === kept) this.command = command.subcommands?.get(word, 0, length) ?? command;
        break;
      case LOOK_KEY_COUNT:
        this.hasKeys = length !== 1 || word[0] !== ZERO;
        break;
      case LOOK_KEY:
        this.prefixLength = prefixLength(word, kept);
        break;
      case LOOK_OPTION:
        if (this.says('BLOCK')) this.blockOption = true;
        this.optionsOver = this.says('STREAMS');
        break;
      case LOOK_REPLY_MODE:
        this.replyMode = REPLY_MODES.find((mode) => this.says(mode)) ?? '';
        break;
      default:
    }
    this.index++;
  }

  /** The argument is this word. */
  private says(expected: string): boolean {
    if (this.length !== expected.length) return false;
    for (let i = 0; i < expected.length; i++) if (this.word[i] !== expected.charCodeAt(i)) return false;
    return true;
  }
}

/** What stands before the first colon; 0 when there is none. */
function prefixLength(key: Uint8Array, length: number): number {
  for (let at = 0; at < length; at++) if (key[at] === COLON) return at;
  return 0;
}

function upperCase(byte: number): number {
  return byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte;
}
