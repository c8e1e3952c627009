import { printable } from '../admin-endpoint.ts';
import { formatMs } from '../trace/columns.ts';
import type { Paint, Tone } from '../trace/paint.ts';
import { shortIdentity } from '../trace/span.ts';

// One line of a JSON log for people: of a sidecar's access log what was asked and how it ended, of its audit log which policy decided what,
// of a service's log what it said. What is left over follows as `key=value`.

export type LogLine = Readonly<Record<string, unknown>>;

/** Null for what is no JSON object. */
export function parseLogLine(text: string): LogLine | null {
  if (!text.startsWith('{')) return null;
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return null;
  }
}

/** Milliseconds since the epoch; null where the line does not tell, as `time` in RFC 3339 or in milliseconds. */
export function timeOf({ time }: LogLine): number | null {
  const at = typeof time === 'number' ? time : typeof time === 'string' ? Date.parse(time) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}

export function drawLogLine(line: LogLine, paint: Paint): string {
  const at = timeOf(line);
  // The day is the same for all, as a rule; --json has it.
  const clock =
    at === null || Math.abs(at) > MAX_DATE_MS ? '--:--:--.---' : new Date(at).toISOString().slice(11, 23);
  const words = isAuditLine(line)
    ? auditWords(line, paint)
    : isAccessLine(line)
      ? accessWords(line, paint)
      : serviceWords(line, paint);
  return [paint('dim', clock), ...words].join(' ');
}

/** https://tc39.es/ecma262/#sec-timeclip */
const MAX_DATE_MS = 8.64e15;

export function isAccessLine({ direction, failure }: LogLine): boolean {
  return typeof direction === 'string' && typeof failure === 'string';
}

function isAuditLine({ log, kind, decision }: LogLine): boolean {
  return log === 'audit' && typeof kind === 'string' && typeof decision === 'string';
}

/** `orders sidecar in from ns/shop/sa/web: access policy shop/callers (no-admin) deny access_denied` */
function auditWords(line: LogLine, paint: Paint): string[] {
  const { service, kind, policy, policy_rule: rule, decision, failure } = line;
  const tone: Tone = decision === 'deny' ? 'red' : decision === 'allow' ? 'green' : 'yellow';
  return [
    paint('bold', plain(service)),
    `sidecar ${otherSide(line)}:`,
    plain(kind),
    ...(policy === undefined ? [] : [`policy ${plain(policy)}`]),
    ...(rule === undefined ? [] : [`(${plain(rule)})`]),
    paint(tone, plain(decision)),
    ...(failure === 'none' ? [] : [plain(failure)]),
    ...rest(line, AUDIT_SHOWN, paint),
  ];
}

function accessWords(line: LogLine, paint: Paint): string[] {
  const { method, path, route, status, failure, duration_ms: durationMs } = line;
  const asked =
    method === undefined ? `${line.protocol ?? 'connection'} ${route ?? ''}` : `${method} ${path}`;
  const bad = failure !== 'none' || (typeof status === 'number' && status >= 500);
  const tone: Tone = bad ? 'red' : 'green';
  return [
    paint('bold', plain(line.service)),
    `sidecar ${otherSide(line)}`,
    plain(asked),
    ...(status === undefined ? [] : [paint(tone, plain(status))]),
    ...(failure === 'none' ? [] : [paint(tone, plain(failure))]),
    ...(typeof durationMs === 'number' ? [formatMs(durationMs)] : []),
    ...rest(line, ACCESS_SHOWN, paint),
  ];
}

/** `in from ns/shop/sa/gateway`, `out to payments` */
function otherSide({ direction, peer_identity: peer, route }: LogLine): string {
  if (direction !== 'inbound') return `out to ${plain(route ?? '')}`;
  return peer === undefined ? 'in' : `in from ${shortIdentity(plain(peer))}`;
}

function serviceWords(line: LogLine, paint: Paint): string[] {
  const { level, service, message, msg, event } = line;
  const tone = LEVEL_TONES.get(String(level)) ?? 'plain';
  return [
    ...(service === undefined ? [] : [paint('bold', plain(service))]),
    ...(level === undefined ? [] : [paint(tone, plain(level))]),
    plain(message ?? msg ?? event ?? ''),
    ...rest(line, SERVICE_SHOWN, paint),
  ];
}

const LEVEL_TONES: ReadonlyMap<string, Tone> = new Map([
  ['fatal', 'red'],
  ['error', 'red'],
  ['warn', 'yellow'],
]);

/** Told already, or the same in every line of a request. */
const SHOWN = ['time', 'service', 'request_id', 'trace_id', 'span_id'];
const SERVICE_SHOWN: ReadonlySet<string> = new Set([...SHOWN, 'level', 'message', 'msg', 'event']);
const ACCESS_SHOWN: ReadonlySet<string> = new Set([
  ...[...SHOWN, 'direction', 'route', 'protocol', 'method', 'path', 'status', 'failure', 'duration_ms'],
  // Where the time went is for `tulle explain`.
  ...['head_ms', 'filters_ms', 'pool_ms', 'connect_ms', 'request_ms', 'upstream_ms', 'response_ms'],
  ...[
    'request_bytes',
    'response_bytes',
    'peer',
    'peer_identity',
    'upstream',
    'upstream_identity',
    'access',
    'access_policy',
    'access_rule',
  ],
]);

const AUDIT_SHOWN: ReadonlySet<string> = new Set([
  ...[...SHOWN, 'log', 'direction', 'route', 'kind', 'policy', 'policy_rule', 'decision', 'failure'],
  ...['method', 'host', 'peer', 'peer_identity'],
]);

function rest(line: LogLine, shown: ReadonlySet<string>, paint: Paint): string[] {
  return Object.entries(line)
    .filter(([key, value]) => !shown.has(key) && !(key === 'attempts' && value === 1))
    .map(([key, value]) => paint('dim', `${printable(key)}=${plain(value)}`));
}

function plain(value: unknown): string {
  return printable(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
}
