/**
 * The sidecar's own events (start, reload, rotation, drain) as JSON lines on stderr, apart from the access log. Off the data path.
 */
export function report(event: string, fields: Readonly<Record<string, unknown>> = {}): void {
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), event, ...fields })}\n`);
}
