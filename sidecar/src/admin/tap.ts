/**
 * `GET /tap?<filters>`: lines of the access log as they are written (application/x-ndjson), until whoever asked goes away or the sidecar ends.
 * Between them stands `{"tap_dropped":n}` where n lines were left out.
 */
import type { ServerResponse } from 'node:http';
import { readTapFilter, type TapFilter } from '../observe/tap/tap-filter.ts';
import type { Taps } from '../observe/tap/taps.ts';

export type TapAnswer =
  | { readonly problem: { readonly status: number; readonly detail: string } }
  | { readonly stream: (response: ServerResponse) => void };

/** `taps` is null where no access log is written. */
export function answerTap(taps: Taps | null, query: string): TapAnswer {
  if (taps === null)
    return refuse(409, 'the access log is off, and a tap shows its lines: set spec.telemetry.accessLog');
  if (!taps.hasRoom) return refuse(503, 'as many taps are open as there may be; end one of them');
  let wants: TapFilter;
  try {
    wants = readTapFilter(new URLSearchParams(query));
  } catch (error) {
    return refuse(400, (error as Error).message);
  }
  return {
    stream(response) {
      // Both may have changed since: the last room was taken, or whoever asked has gone.
      const end = response.closed ? null : taps.add(response, wants);
      if (end === null) {
        response.end();
        return;
      }
      response.on('close', end);
      // A write to somebody who goes away at that moment.
      response.on('error', () => {});
      response.flushHeaders();
    },
  };
}

function refuse(status: number, detail: string): TapAnswer {
  return { problem: { status, detail } };
}
