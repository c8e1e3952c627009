/**
 * How people ask for a trace over HTTP: `GET /traces/<request id or trace id>`, here and at the control plane.
 */
/** The span attribute under which a request id is found. */
export const ATTR_REQUEST_ID = 'tulle.request_id';

const ID = /^[A-Za-z0-9._:/+=-]{1,128}$/;

export const TRACE_QUERY_HELP =
  'ask for /traces/<id> with a request id, or a trace id of 32 hexadecimal digits';
export const TRACE_UNKNOWN =
  'nobody has a span of it: what was neither sampled nor kept is forgotten after some seconds, everything else when newer spans took its place';

/** `text` is what stands behind `/traces/`; null where it is no id. */
export function readTraceQuery(text: string): string | null {
  let id: string;
  try {
    id = decodeURIComponent(text);
  } catch {
    return null;
  }
  return ID.test(id) ? id : null;
}
