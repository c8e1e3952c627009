/**
 * Hands the head of a request to an inspector: the target, each field, and cookies.
 */
import { FIELD_IDS, fieldId } from '../../protocol/field-names.ts';
import type { RequestHead } from '../../protocol/head.ts';
import type { Inspector } from './inspector.ts';

const COOKIE = fieldId('cookie');

/** Fields whose grammar was checked when the head was read, or that the sidecar has written itself. By id. */
const CHECKED = new Uint8Array(FIELD_IDS);
for (const name of ['host', 'content-length', 'transfer-encoding', 'expect', 'te', 'connection'] as const) {
  CHECKED[fieldId(name)] = 1;
}

export function inspectHead(request: RequestHead, inspector: Inspector): void {
  const { bytes } = request;
  inspector.target(bytes.toString('latin1', request.pathStart, request.pathEnd));
  for (let row = 0; row < request.rows; row++) {
    const id = request.ids[row] as number;
    if (request.dropped[row] === 1 || CHECKED[id] === 1) continue;
    const value = bytes.toString('latin1', request.valueStart(row), request.valueEnd(row));
    if (id === COOKIE) inspector.cookies(value);
    else
      inspector.header(
        bytes.toString('latin1', request.lineStart(row), request.nameEnd(row)).toLowerCase(),
        value,
      );
  }
}
