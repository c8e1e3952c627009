/**
 * Hands the head of a request to an inspector: the target, fields and cookies.
 */
import { FIELD_IDS, fieldId } from '../../protocol/field-names.ts';
import type { Head, RequestHead } from '../../protocol/head.ts';
import type { Inspector } from './inspector.ts';

const COOKIE = fieldId('cookie');

/** Fields whose grammar was checked when the head was read, or that the sidecar has written itself. By id. */
const CHECKED = new Uint8Array(FIELD_IDS);
for (const name of ['host', 'content-length', 'transfer-encoding', 'expect', 'te', 'connection'] as const) {
  CHECKED[fieldId(name)] = 1;
}

export function inspectHead(request: RequestHead, inspector: Inspector): void {
  inspector.target(request.bytes.toString('latin1', request.pathStart, request.pathEnd));
  inspectFields(request, inspector);
}

/** For trailers, too. */
export function inspectFields(head: Head, inspector: Inspector): void {
  const { bytes } = head;
  for (let row = 0; row < head.rows; row++) {
    const id = head.ids[row] as number;
    if (head.dropped[row] === 1 || CHECKED[id] === 1) continue;
    const value = bytes.toString('latin1', head.valueStart(row), head.valueEnd(row));
    if (id === COOKIE) inspector.cookies(value);
    else inspector.header(nameOf(head, row), value);
  }
}

function nameOf(head: Head, row: number): string {
  return head.bytes.toString('latin1', head.lineStart(row), head.nameEnd(row)).toLowerCase();
}
