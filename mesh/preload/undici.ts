/**
 * `fetch` and undici, Node's own and those that a service brings along: requests carry the context in which they are created.
 *
 * One that waits for a connection of a pool with a limit is created when the connection is free, and then there is no context: connections have
 * none, lest it be that of another request.
 */
import { subscribe } from 'node:diagnostics_channel';
import { missingFields } from './context.ts';
import { guard } from './guard.ts';

/** Of versions 5 to 8: fields are text until 5, and a list since 6. */
interface UndiciRequest {
  readonly method: string;
  readonly origin?: unknown;
  readonly headers: string | readonly unknown[];
  addHeader(name: string, value: string): void;
}

export function watchUndici(): void {
  subscribe('undici:request:create', guard(onRequest));
}

function onRequest(message: unknown): void {
  const { request } = message as { request: UndiciRequest };
  if (request.method === 'CONNECT') return;
  const names = namesOf(request.headers);
  const isEncrypted = String(request.origin).startsWith('https:');
  for (const [name, value] of missingFields(isEncrypted, (wanted) => names().has(wanted))) {
    request.addHeader(name, value);
  }
}

/** Lower-case, and read when they are asked for. */
function namesOf(headers: UndiciRequest['headers']): () => Set<string> {
  let names: Set<string> | null = null;
  return () => {
    if (names !== null) return names;
    const all =
      typeof headers === 'string'
        ? headers.split('\r\n').map((line) => line.slice(0, Math.max(0, line.indexOf(':'))))
        : headers.filter((_, i) => i % 2 === 0).map(String);
    names = new Set(all.map((name) => name.toLowerCase()));
    return names;
  };
}
