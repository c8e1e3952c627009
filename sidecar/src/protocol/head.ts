/**
 * A message head over flat bytes: the start line, the received field lines and the lines that filters add, end to end, and a table
 * that says where each name and value lies. No string is made unless somebody asks for one.
 *
 * Invariants
 * - Lines are contiguous: a line ends where the next one starts, the last at `length`. So a head is forwarded by copying runs of
 *   lines that were not dropped, most often a single run.
 * - Offsets stay valid until `reset`: `bytes` belongs to this head alone.
 * - Only bytes that the strict scanner accepted, or that `add` checked, ever get in.
 * - `add` and `drop` are how filters change a head; nothing else writes to it after it was scanned.
 */
import { LIMITS } from '../core/limits.ts';
import { copyBytes } from '../transport/output.ts';
import { FIELD_IDS, fieldId, findFieldId, OTHER_FIELD } from './field-names.ts';

/** How the end of a body is found (RFC 9112 section 6). */
export const BODY_NONE = 0;
export const BODY_LENGTH = 1;
export const BODY_CHUNKED = 2;
export const BODY_UNTIL_CLOSE = 3;
export type BodyKind = typeof BODY_NONE | typeof BODY_LENGTH | typeof BODY_CHUNKED | typeof BODY_UNTIL_CLOSE;

const HOST = fieldId('host');
const HOST_BYTES = 4;

const INITIAL_BYTES = 2_048;
/** Numbers a row: line start, name end, value start, value end. The name starts where the line starts. */
const ROW = 4;
const MAX_ROWS = LIMITS.fields + LIMITS.addedFields;

export class Head {
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  /** Used bytes. */
  length = 0;
  /** Where the start line starts. Not 0 when it was rewritten to a shorter one. */
  start = 0;
  /** Where the first field line starts, behind the start line; `start` for trailers. */
  fieldsStart = 0;
  rows = 0;
  bodyKind: BodyKind = BODY_NONE;
  /** Declared length in bytes when `bodyKind` is BODY_LENGTH, else -1. */
  contentLength = -1;
  /** HTTP minor version as received: 0 or 1. */
  minorVersion = 1;
  /** Whether the sender allows its connection to be used again. */
  keepAlive = true;
  /** Row of the first field with an id, -1 when there is none. */
  readonly firstRow = new Int16Array(FIELD_IDS).fill(-1);
  readonly table = new Int32Array(MAX_ROWS * ROW);
  readonly ids = new Uint8Array(MAX_ROWS);
  readonly dropped = new Uint8Array(MAX_ROWS);
  /** Number of dropped rows, so that the common case is one comparison. */
  drops = 0;
  /** Rows that must stay out of every compression table on the way (RFC 7541 section 6.2.3); read only when there are any. */
  secrets = 0;
  /** By row; null before there was one. */
  secret: Uint8Array | null = null;
  /** The head is complete, and its offsets lead into `bytes`. */
  adopted = false;
  /** Bytes kept by `collect`. */
  collected = 0;

  reset(): void {
    this.length = 0;
    this.start = 0;
    this.fieldsStart = 0;
    this.rows = 0;
    this.bodyKind = BODY_NONE;
    this.contentLength = -1;
    this.minorVersion = 1;
    this.keepAlive = true;
    this.firstRow.fill(-1);
    this.drops = 0;
    this.secrets = 0;
    this.adopted = false;
    this.collected = 0;
  }

  /** Copies the scanned bytes out of a read buffer, so that the offsets outlive it. */
  adopt(source: Uint8Array, base: number, count: number): void {
    this.adopted = true;
    if (source === this.bytes) return;
    if (count > this.bytes.length) this.bytes = Buffer.allocUnsafeSlow(count * 2);
    copyBytes(source, base, base + count, this.bytes, 0);
  }

  /** Keeps bytes of a head that is not all there behind those that are kept already; the scan goes on in `bytes`. */
  collect(source: Uint8Array, start: number, end: number): void {
    const need = this.collected + end - start;
    if (need > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(need * 2);
      this.bytes.copy(grown, 0, 0, this.collected);
      this.bytes = grown;
    }
    copyBytes(source, start, end, this.bytes, this.collected);
    this.collected = need;
  }

  /** Records a scanned line. The caller has checked that there is room (`LIMITS.fields`). */
  push(lineStart: number, nameEnd: number, valueStart: number, valueEnd: number, id: number): void {
    const row = this.rows++;
    const at = row * ROW;
    this.table[at] = lineStart;
    this.table[at + 1] = nameEnd;
    this.table[at + 2] = valueStart;
    this.table[at + 3] = valueEnd;
    this.ids[row] = id;
    this.dropped[row] = 0;
    if (id !== OTHER_FIELD && this.firstRow[id] === -1) this.firstRow[id] = row;
  }

  lineStart(row: number): number {
    return row === this.rows ? this.length : (this.table[row * ROW] as number);
  }
  nameEnd(row: number): number {
    return this.table[row * ROW + 1] as number;
  }
  valueStart(row: number): number {
    return this.table[row * ROW + 2] as number;
  }
  valueEnd(row: number): number {
    return this.table[row * ROW + 3] as number;
  }

  has(id: number): boolean {
    return this.firstRow[id] !== -1;
  }

  /** Value of the first field with this id, as Latin-1 text; null when there is none. */
  value(id: number): string | null {
    const row = this.firstRow[id] as number;
    return row === -1 ? null : this.bytes.toString('latin1', this.valueStart(row), this.valueEnd(row));
  }

  /** Value of the first field with this lower-case name that has no id; scans all rows. */
  find(name: string): string | null {
    for (let row = 0; row < this.rows; row++) {
      if (this.dropped[row] === 1 || this.nameEnd(row) - this.lineStart(row) !== name.length) continue;
      if (this.bytes.toString('latin1', this.lineStart(row), this.nameEnd(row)).toLowerCase() === name) {
        return this.bytes.toString('latin1', this.valueStart(row), this.valueEnd(row));
      }
    }
    return null;
  }

  /** Takes every field with this id out of what is forwarded. */
  drop(id: number): void {
    let row = this.firstRow[id] as number;
    if (row === -1) return;
    for (; row < this.rows; row++) if (this.ids[row] === id) this.dropRow(row);
    this.firstRow[id] = -1;
  }

  dropRow(row: number): void {
    if (this.dropped[row] === 1) return;
    this.dropped[row] = 1;
    this.drops++;
  }

  /** The last row is a secret. */
  markSecret(): void {
    this.secret ??= new Uint8Array(MAX_ROWS);
    if (this.secrets++ === 0) this.secret.fill(0);
    this.secret[this.rows - 1] = 1;
  }

  isSecret(row: number): boolean {
    return this.secrets > 0 && (this.secret as Uint8Array)[row] === 1;
  }

  /** Adds `name: value`. The name is lower case and from code; the value must be Latin-1 without control characters. */
  add(name: string, value: string): void {
    const lineLength = name.length + value.length + 4;
    this.reserve(lineLength);
    const { bytes } = this;
    const start = this.length;
    let at = start + bytes.write(name, start, 'latin1');
    const nameEnd = at;
    bytes[at++] = 0x3a;
    bytes[at++] = 0x20;
    const valueEnd = at + bytes.write(value, at, 'latin1');
    for (let i = at; i < valueEnd; i++) {
      const byte = bytes[i] as number;
      if ((byte < 0x20 && byte !== 0x09) || byte === 0x7f)
        throw new Error(`control character in value of ${name}`);
    }
    bytes[valueEnd] = 0x0d;
    bytes[valueEnd + 1] = 0x0a;
    this.pushAdded(start, nameEnd, at, valueEnd);
  }

  /**
   * Adds a line that was prepared as bytes, `name: value\r\n`, with a lower-case name; returns where the value lies, so that a
   * filter can patch it in place (ids in hex).
   */
  addLine(line: Uint8Array, nameLength: number): number {
    this.reserve(line.length);
    const start = this.length;
    copyBytes(line, 0, line.length, this.bytes, start);
    const valueStart = start + nameLength + 2;
    this.pushAdded(start, start + nameLength, valueStart, start + line.length - 2);
    return valueStart;
  }

  /**
   * Adds `prefix` (`name: `, lower case) with a value from elsewhere, which must have passed the scanner or be checked already; returns where
   * the value lies now.
   */
  addValue(prefix: Uint8Array, source: Uint8Array, valueStart: number, valueEnd: number): number {
    const start = this.length;
    const valueAt = start + prefix.length;
    const valueLength = valueEnd - valueStart;
    this.reserve(prefix.length + valueLength + 2);
    const { bytes } = this;
    copyBytes(prefix, 0, prefix.length, bytes, start);
    copyBytes(source, valueStart, valueEnd, bytes, valueAt);
    bytes[valueAt + valueLength] = 0x0d;
    bytes[valueAt + valueLength + 1] = 0x0a;
    this.pushAdded(start, valueAt - 2, valueAt, valueAt + valueLength);
    return valueAt;
  }

  /** Takes every field with this lower-case name out of what is forwarded. `id` is that of the name. */
  dropNamed(name: Uint8Array, id: number): void {
    if (id !== OTHER_FIELD) {
      this.drop(id);
      return;
    }
    for (let row = 0; row < this.rows; row++) {
      if (this.ids[row] === OTHER_FIELD && this.isNamed(row, name)) this.dropRow(row);
    }
  }

  /** Whether the name in `row` is this lower-case one. */
  isNamed(row: number, name: Uint8Array): boolean {
    const start = this.lineStart(row);
    if (this.nameEnd(row) - start !== name.length) return false;
    for (let i = 0; i < name.length; i++) {
      const byte = this.bytes[start + i] as number;
      if ((byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte) !== name[i]) return false;
    }
    return true;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const need = this.length + count;
    if (need <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(need, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  private pushAdded(lineStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    if (this.rows === MAX_ROWS) throw new Error('too many fields added to one head');
    this.length = valueEnd + 2;
    this.push(lineStart, nameEnd, valueStart, valueEnd, findFieldId(this.bytes, lineStart, nameEnd));
  }
}

/** A request head. The start line is `method SP target SP HTTP/1.x`, whatever the wire protocol was. */
export class RequestHead extends Head {
  /** HTTP major version as received: 1 or 2. */
  majorVersion = 1;
  methodEnd = 0;
  /** The path and query that policy sees and that is forwarded, byte for byte; `*` for OPTIONS of the whole server. */
  pathStart = 0;
  pathEnd = 0;
  /** Where the query starts (after `?`), or `pathEnd`. */
  queryStart = 0;
  /** The Host field, which an absolute-form target must agree with. Empty when there is none. */
  authorityStart = 0;
  authorityEnd = 0;
  isHead = false;
  /** GET, HEAD, OPTIONS, TRACE, PUT or DELETE (RFC 9110 section 9.2.2). */
  isIdempotent = false;
  /** GET, HEAD, OPTIONS or TRACE (RFC 9110 section 9.2.1). */
  isSafe = false;
  /** The client asked for a protocol switch and is waiting for 101. */
  wantsUpgrade = false;
  expectsContinue = false;
  /** Path and query that are forwarded in place of those that came, which policy and telemetry go on to see; null for those. */
  target: Buffer | null = null;
  /** Of the connection that it came over, hence not reset. */
  encrypted = false;

  override reset(): void {
    super.reset();
    this.majorVersion = 1;
    this.methodEnd = 0;
    this.pathStart = 0;
    this.pathEnd = 0;
    this.queryStart = 0;
    this.authorityStart = 0;
    this.authorityEnd = 0;
    this.isHead = false;
    this.isIdempotent = false;
    this.isSafe = false;
    this.wantsUpgrade = false;
    this.expectsContinue = false;
    this.target = null;
  }

  /** Forwards `host` in place of the one that was asked for. */
  replaceAuthority(hostLine: Buffer): void {
    this.drop(HOST);
    this.authorityStart = this.addLine(hostLine, HOST_BYTES);
    this.authorityEnd = this.length - 2;
  }

  get method(): string {
    return this.bytes.toString('latin1', this.start, this.methodEnd);
  }
  /** Path with query. */
  get path(): string {
    return this.bytes.toString('latin1', this.pathStart, this.pathEnd);
  }
  get authority(): string {
    return this.bytes.toString('latin1', this.authorityStart, this.authorityEnd);
  }
}

/** A response head. The start line is `HTTP/1.x SP status SP reason`. */
export class ResponseHead extends Head {
  status = 0;
  /** A 101 that the client asked for: bytes flow both ways from here. */
  switchesProtocol = false;

  override reset(): void {
    super.reset();
    this.status = 0;
    this.switchesProtocol = false;
  }
}
