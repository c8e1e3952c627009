/**
 * Heads of their own with all that others are now, for who needs them when those are reset: a request that is sent a second time beside the
 * first, and trailers that wait.
 */
import { copyBytes } from '../transport/output.ts';
import { Head, RequestHead } from './head.ts';

export function copyRequestHead(source: RequestHead): RequestHead {
  const copy = new RequestHead();
  copy.reserve(source.length);
  copyBytes(source.bytes, 0, source.length, copy.bytes, 0);
  copy.length = source.length;
  copy.start = source.start;
  copy.fieldsStart = source.fieldsStart;
  copy.rows = source.rows;
  copy.bodyKind = source.bodyKind;
  copy.contentLength = source.contentLength;
  copy.minorVersion = source.minorVersion;
  copy.keepAlive = source.keepAlive;
  copy.firstRow.set(source.firstRow);
  copy.table.set(source.table);
  copy.ids.set(source.ids);
  copy.dropped.set(source.dropped);
  copy.drops = source.drops;
  copy.secrets = source.secrets;
  copy.secret = source.secret === null ? null : source.secret.slice();
  copy.adopted = source.adopted;
  copy.majorVersion = source.majorVersion;
  copy.methodEnd = source.methodEnd;
  copy.pathStart = source.pathStart;
  copy.pathEnd = source.pathEnd;
  copy.queryStart = source.queryStart;
  copy.authorityStart = source.authorityStart;
  copy.authorityEnd = source.authorityEnd;
  copy.isHead = source.isHead;
  copy.isSafe = source.isSafe;
  copy.isIdempotent = source.isIdempotent;
  copy.wantsUpgrade = source.wantsUpgrade;
  copy.expectsContinue = source.expectsContinue;
  copy.target = source.target;
  copy.encrypted = source.encrypted;
  return copy;
}

/** For trailers that are needed later. */
export function copyHead(source: Head): Head {
  const copy = new Head();
  for (let row = 0; row < source.rows; row++) {
    if (source.dropped[row] === 1) continue;
    const line = source.bytes.subarray(source.lineStart(row), source.lineStart(row + 1));
    copy.addLine(line, source.nameEnd(row) - source.lineStart(row));
    if (source.isSecret(row)) copy.markSecret();
  }
  return copy;
}
