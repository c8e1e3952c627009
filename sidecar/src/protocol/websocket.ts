/**
 * Requests for a WebSocket (RFC 6455): the one upgrade that HTTP/2 has a form of its own for (RFC 8441).
 */
import { fieldId } from './field-names.ts';
import type { RequestHead } from './head.ts';
import { equalsWord } from './http1/scan.ts';

const UPGRADE = fieldId('upgrade');
const WORD_WEBSOCKET = Buffer.from('websocket');

/** Whether the upgrade that is asked for is to WebSocket and nothing else. */
export function asksForWebSocket(request: RequestHead): boolean {
  const row = request.firstRow[UPGRADE] as number;
  return (
    row !== -1 && equalsWord(request.bytes, request.valueStart(row), request.valueEnd(row), WORD_WEBSOCKET)
  );
}
