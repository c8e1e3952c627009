/**
 * How a command to a data store lies in the span ring, and what its span says, by the database and messaging conventions of OpenTelemetry.
 *
 * Invariant: made of names, codes, sizes and times alone; nothing of what a command carries can be in it.
 */
import type { DataStoreCommand, DataStoreProtocol } from './datastore.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import type { SomeAttributes, SpanContent } from './own-span.ts';
import type { RandomWords } from './random-words.ts';
import { DOUBLE, DOUBLES, FLAG_BLOCKING, FLAG_COMMAND, type SpanRecord, WORD, WORDS } from './span-record.ts';
import type { SpanRing } from './spans.ts';
import { splitAddress } from './split-address.ts';

/** In the words that exchanges use for something else. */
const PROTOCOL = WORD.method;
const OPERATION = WORD.status;
const BATCH_SIZE = WORD.attempts;
const STATUS_CODE = WORD.peerIdentity;
const ERROR_TYPE = WORD.upstreamIdentity;
const ERROR_COUNT = WORD.failure;
const TARGET_BYTES = WORD.pathBytes;
const NAMESPACE_BYTES = WORD.authorityBytes;
const FIRST_BYTE_MS = DOUBLE.phases;
const WAITED_MS = DOUBLE.phases + 1;

const { spanTextBytes } = OBSERVE_LIMITS;

/** `lastWord` is the end of the trace id, which decided about sampling. */
export function writeCommand(
  ring: SpanRing,
  slot: number,
  command: DataStoreCommand,
  random: RandomWords,
  lastWord: number,
  origin: number,
): void {
  const { words, doubles, names, text } = ring;
  const at = slot * WORDS;
  words.fill(0, at, at + WORDS);
  words[at + WORD.flags] = FLAG_COMMAND | (command.blocking ? FLAG_BLOCKING : 0);
  for (let i = 0; i < 3; i++) words[at + WORD.traceId + i] = random.next();
  words[at + WORD.traceId + 3] = lastWord;
  words[at + WORD.spanId] = random.next();
  // A span id of zeros is invalid.
  words[at + WORD.spanId + 1] = random.next() | 1;
  words[at + WORD.origin] = origin;
  words[at + WORD.endpoint] = names.indexOf(command.endpoint);
  words[at + PROTOCOL] = names.indexOf(command.protocol);
  words[at + OPERATION] = names.indexOf(command.operation);
  words[at + STATUS_CODE] = names.indexOf(command.statusCode);
  words[at + ERROR_TYPE] = names.indexOf(command.errorType);
  words[at + ERROR_COUNT] = command.errorCount;
  words[at + BATCH_SIZE] = command.batchSize;

  const doublesAt = slot * DOUBLES;
  doubles[doublesAt + DOUBLE.startedMs] = command.startedMs;
  doubles[doublesAt + DOUBLE.endedMs] = command.endedMs;
  doubles[doublesAt + DOUBLE.requestBytes] = command.requestBytes;
  doubles[doublesAt + DOUBLE.responseBytes] = command.responseBytes;
  doubles[doublesAt + FIRST_BYTE_MS] = command.firstByteMs - command.startedMs;
  doubles[doublesAt + WAITED_MS] = command.waitedMs;

  const start = slot * spanTextBytes;
  const target = text.write(command.target, start, spanTextBytes);
  words[at + TARGET_BYTES] = target;
  words[at + NAMESPACE_BYTES] = text.write(command.namespace, start + target, spanTextBytes - target);
}

/** Names of the systems in the conventions. */
export const SYSTEM_NAMES: Readonly<Record<DataStoreProtocol, string>> = {
  redis: 'redis',
  mongo: 'mongodb',
  kafka: 'kafka',
};

/** What a Kafka request does in the words of the conventions; those that do neither have no such type. */
export const OPERATION_TYPES: Readonly<Record<string, string>> = {
  produce: 'send',
  fetch: 'receive',
  share_fetch: 'receive',
};

export function commandContent(record: SpanRecord): SpanContent {
  return {
    name: commandName(record),
    kind: commandKind(record),
    error: record.word(ERROR_TYPE) !== 0,
    errorMessage: '',
    attributes: commandAttributes(record),
  };
}

function commandName(record: SpanRecord): string {
  return [record.name(OPERATION), nameText(record, TARGET_BYTES)].filter((part) => part !== '').join(' ');
}

function commandKind(record: SpanRecord): SpanContent['kind'] {
  if (record.name(PROTOCOL) !== 'kafka') return 'client';
  const type = OPERATION_TYPES[record.name(OPERATION)];
  if (type === 'send') return 'producer';
  return type === 'receive' ? 'consumer' : 'client';
}

function commandAttributes(record: SpanRecord): SomeAttributes {
  const { direction, route } = record.origin;
  const protocol = record.name(PROTOCOL) as DataStoreProtocol;
  const endpoint = splitAddress(record.name(WORD.endpoint));
  const startedMs = record.double(DOUBLE.startedMs);
  const firstByteMs = record.double(FIRST_BYTE_MS);
  const waitedMs = record.double(WAITED_MS);
  return {
    ...(protocol === 'kafka' ? messagingAttributes(record) : databaseAttributes(record, protocol)),
    'error.type': record.name(ERROR_TYPE),
    'server.address': route,
    'server.port': endpoint.port,
    'network.transport': 'tcp',
    'network.peer.address': endpoint.host,
    'network.peer.port': endpoint.port,
    'tulle.direction': direction,
    'tulle.route': route,
    'tulle.upstream.endpoint': record.name(WORD.endpoint),
    'tulle.blocking': record.has(FLAG_BLOCKING) || undefined,
    'tulle.error_count': record.word(ERROR_COUNT) || undefined,
    'tulle.request.bytes': record.double(DOUBLE.requestBytes),
    'tulle.response.bytes': record.double(DOUBLE.responseBytes),
    // Behind earlier commands, at the server, and while the answer came: they add up to the duration.
    'tulle.phase.waited_ms': Math.min(waitedMs, firstByteMs),
    'tulle.phase.server_ms': Math.max(firstByteMs - waitedMs, 0),
    'tulle.phase.response_ms': record.double(DOUBLE.endedMs) - startedMs - firstByteMs,
  };
}

function databaseAttributes(record: SpanRecord, protocol: DataStoreProtocol) {
  const target = nameText(record, TARGET_BYTES);
  const batchSize = record.word(BATCH_SIZE);
  return {
    'db.system.name': SYSTEM_NAMES[protocol],
    'db.operation.name': record.name(OPERATION),
    'db.namespace': nameText(record, NAMESPACE_BYTES),
    'db.collection.name': protocol === 'mongo' ? target : '',
    'tulle.redis.key_prefix': protocol === 'redis' ? target : '',
    'db.response.status_code': record.name(STATUS_CODE),
    // By convention, one is no batch.
    'db.operation.batch.size': batchSize > 1 ? batchSize : undefined,
  };
}

function messagingAttributes(record: SpanRecord) {
  const operation = record.name(OPERATION);
  return {
    'messaging.system': SYSTEM_NAMES.kafka,
    'messaging.operation.name': operation,
    'messaging.operation.type': OPERATION_TYPES[operation],
    'messaging.destination.name': nameText(record, TARGET_BYTES),
    'tulle.kafka.topics': record.word(BATCH_SIZE) || undefined,
    'tulle.kafka.error_code': record.name(STATUS_CODE),
  };
}

/** The ring reads text of the wire as Latin-1; names are UTF-8. */
function nameText(record: SpanRecord, word: number): string {
  return Buffer.from(record.text(word), 'latin1').toString();
}
