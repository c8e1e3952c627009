// Reads recorded bytes (latin1 strings) as HTTP/1.1 messages, by the grammar of RFC 9112 without any of its leniencies. Both ends of
// the suite use it: for what the proxy sent to the origin or to the client, and as the oracle for what a valid case says.
// It shares no code with the proxy on purpose: two readers that agree prove more than one reader used twice.

export interface Field {
  name: string;
  value: string;
}

export interface Message {
  startLine: string;
  fields: Field[];
  body: string;
  trailers: Field[];
  framing: 'none' | 'length' | 'chunked' | 'until-close';
}

export interface ResponseSequence {
  interim: Message[];
  final: Message;
}

/** `partial` holds what can be said of a message whose end is not there yet. */
export type Reading<T> =
  | { state: 'complete'; value: T; next: number }
  | { state: 'incomplete'; partial: T | null }
  | { state: 'invalid'; reason: string };

export function readRequest(bytes: string, from: number): Reading<Message> {
  const head = readHead(bytes, from, REQUEST_LINE);
  if (head.state !== 'complete') return head;
  const { value: message, next } = head;
  const framing = readFraming(message);
  if (typeof framing === 'string') return invalid(framing);
  return readBody(bytes, next, message, framing.length ?? 0, false);
}

/** `toHead`: the response answers HEAD. `ended`: no byte will follow `bytes`, which ends a body that lasts until close. */
export function readResponse(
  bytes: string,
  from: number,
  { toHead, ended }: { toHead: boolean; ended: boolean },
): Reading<ResponseSequence> {
  const interim: Message[] = [];
  let at = from;
  for (;;) {
    const head = readHead(bytes, at, STATUS_LINE);
    if (head.state === 'invalid') return head;
    if (head.state === 'incomplete') {
      const partial = interim.length > 0 ? { interim, final: NO_MESSAGE } : null;
      return { state: 'incomplete', partial };
    }
    const { value: message, next } = head;
    const status = statusOf(message);
    if (status >= 100 && status < 200) {
      // After 101 the connection speaks another protocol: the sequence ends here.
      if (status === 101) return { state: 'complete', value: { interim, final: message }, next };
      interim.push(message);
      at = next;
      continue;
    }
    const framing = readFraming(message);
    if (typeof framing === 'string') return invalid(framing);
    const bodyless = toHead || status === 204 || status === 304;
    const reading = readBody(bytes, next, message, bodyless ? 0 : framing.length, ended, bodyless);
    if (reading.state === 'invalid') return reading;
    if (reading.state === 'incomplete') {
      return { state: 'incomplete', partial: reading.partial && { interim, final: reading.partial } };
    }
    return { state: 'complete', value: { interim, final: reading.value }, next: reading.next };
  }
}

export function statusOf(message: Message): number {
  return Number(message.startLine.slice(9, 12));
}

export function valuesOf(fields: Field[], name: string): string[] {
  return fields
    .filter((field) => field.name.toLowerCase() === name.toLowerCase())
    .map((field) => field.value);
}

/** The members of a comma-separated field, lower-cased. */
export function membersOf(fields: Field[], name: string): string[] {
  return valuesOf(fields, name)
    .flatMap((value) => value.split(','))
    .map((member) => member.trim().toLowerCase())
    .filter((member) => member !== '');
}

const NO_MESSAGE: Message = { startLine: '', fields: [], body: '', trailers: [], framing: 'none' };
const REQUEST_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [\x21-\x7e]+ HTTP\/1\.[0-9]$/;
const STATUS_LINE = /^HTTP\/1\.[0-9] [1-5][0-9][0-9] [\t\x20-\x7e\x80-\xff]*$/;
const FIELD_LINE =
  /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(|[\x21-\x7e\x80-\xff]|[\x21-\x7e\x80-\xff][\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])[ \t]*$/;
const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const QUOTED = '"(?:[\\t\\x20\\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t\\x20-\\x7e\\x80-\\xff])*"';
const CHUNK_LINE = new RegExp(
  `^([0-9A-Fa-f]{1,16})(?:[ \\t]*;[ \\t]*${TOKEN}(?:[ \\t]*=[ \\t]*(?:${TOKEN}|${QUOTED}))?)*$`,
);

function invalid(reason: string): { state: 'invalid'; reason: string } {
  return { state: 'invalid', reason };
}

function readHead(bytes: string, from: number, startLineRule: RegExp): Reading<Message> {
  const start = readLine(bytes, from);
  if (start === null) return { state: 'incomplete', partial: null };
  if (!startLineRule.test(start.text)) return invalid(`start line ${JSON.stringify(start.text)}`);
  const fields = readFields(bytes, start.next);
  if (fields.state !== 'complete')
    return fields.state === 'invalid' ? fields : { state: 'incomplete', partial: null };
  const message: Message = { ...NO_MESSAGE, startLine: start.text, fields: fields.value, trailers: [] };
  return { state: 'complete', value: message, next: fields.next };
}

function readFields(bytes: string, from: number): Reading<Field[]> {
  const fields: Field[] = [];
  let at = from;
  for (;;) {
    const line = readLine(bytes, at);
    if (line === null) return { state: 'incomplete', partial: null };
    at = line.next;
    if (line.text === '') return { state: 'complete', value: fields, next: at };
    const match = FIELD_LINE.exec(line.text);
    if (match === null) return invalid(`field line ${JSON.stringify(line.text)}`);
    fields.push({ name: match[1] ?? '', value: match[2] ?? '' });
  }
}

function readLine(bytes: string, from: number): { text: string; next: number } | null {
  const end = bytes.indexOf('\r\n', from);
  return end === -1 ? null : { text: bytes.slice(from, end), next: end + 2 };
}

function readFraming(message: Message): { length: number | null } | string {
  const lengths = valuesOf(message.fields, 'content-length');
  const codings = valuesOf(message.fields, 'transfer-encoding');
  if (lengths.length + codings.length > 1)
    return `more than one framing field: ${[...lengths, ...codings].join(' | ')}`;
  if (codings.length === 1) {
    if (codings[0]?.toLowerCase() !== 'chunked') return `transfer-encoding ${codings[0]}`;
    message.framing = 'chunked';
    return { length: null };
  }
  if (lengths.length === 0) return { length: null };
  if (!/^[0-9]{1,15}$/.test(lengths[0] ?? '')) return `content-length ${lengths[0]}`;
  message.framing = 'length';
  return { length: Number(lengths[0]) };
}

/** `length` null: the body lasts until the connection closes. */
function readBody(
  bytes: string,
  from: number,
  message: Message,
  length: number | null,
  ended: boolean,
  bodyless = false,
): Reading<Message> {
  if (message.framing === 'chunked' && !bodyless) return readChunks(bytes, from, message);
  if (length === null) {
    message.framing = 'until-close';
    message.body = bytes.slice(from);
    return ended
      ? { state: 'complete', value: message, next: bytes.length }
      : { state: 'incomplete', partial: message };
  }
  message.body = bytes.slice(from, from + length);
  if (message.body.length < length) return { state: 'incomplete', partial: message };
  return { state: 'complete', value: message, next: from + length };
}

function readChunks(bytes: string, from: number, message: Message): Reading<Message> {
  let at = from;
  for (;;) {
    const line = readLine(bytes, at);
    if (line === null) return { state: 'incomplete', partial: message };
    const match = CHUNK_LINE.exec(line.text);
    if (match === null) return invalid(`chunk line ${JSON.stringify(line.text)}`);
    const size = Number.parseInt(match[1] ?? '', 16);
    at = line.next;
    if (size === 0) break;
    message.body += bytes.slice(at, at + size);
    if (bytes.length < at + size + 2) return { state: 'incomplete', partial: message };
    if (bytes.slice(at + size, at + size + 2) !== '\r\n') return invalid('chunk data without CRLF behind it');
    at += size + 2;
  }
  const trailers = readFields(bytes, at);
  if (trailers.state === 'invalid') return trailers;
  if (trailers.state === 'incomplete') return { state: 'incomplete', partial: message };
  message.trailers = trailers.value;
  return { state: 'complete', value: message, next: trailers.next };
}
