/**
 * The admin endpoint: health, metrics, config and drain, for the machine's own operators and probes.
 *
 * It has no authentication, so it is bound to loopback and refuses what a web page could send there through somebody's
 * browser: foreign host names (DNS rebinding) and foreign origins. It is off the data path, hence plain node:http.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { Address } from '../config/address.ts';
import { formatAddress, isLoopback } from '../config/address.ts';
import type { ConfigStatus } from '../config/watch.ts';
import type { Clock } from '../core/clock.ts';
import type { FoundTrace } from '../observe/explain/trace-finder.ts';
import { readTraceQuery, TRACE_QUERY_HELP, TRACE_UNKNOWN } from '../observe/explain/trace-query.ts';
import type { Scrape } from '../observe/scrapes.ts';
import type { Taps } from '../observe/tap/taps.ts';
import type { SvidSummary } from './config-dump.ts';
import { buildConfigDump, showSvid } from './config-dump.ts';
import { findForeign } from './foreign.ts';
import { answerTap } from './tap.ts';

/** What the endpoint shows and triggers. All of it is asked anew for each request. */
export type AdminSource = {
  readonly configPath: string;
  readonly clock: Clock;
  readiness(): 'starting' | 'ready' | 'draining';
  /** Null until the first config is in force. */
  configStatus(): ConfigStatus | null;
  /** Null without an identity, or before its first certificate. */
  svid(): SvidSummary | null;
  /** What is known of a request, by its own or its trace's id; null where nothing is. */
  findTrace(id: string): FoundTrace | null;
  /** Null without an access log, whose lines they show. */
  taps(): Taps | null;
  /** `accept` is what the scraper takes; null when too many scrapes wait. */
  scrape(accept: string): Scrape | null;
  /** Begins to drain and returns at once; more calls change nothing. */
  drain(): void;
};

export type AdminServer = { readonly port: number; close(): Promise<void> };

/** Generous for probes and scrapes, small enough that nobody can exhaust a sidecar through its admin port. */
const ADMIN_LIMITS = {
  connections: 64,
  headBytes: 8_192,
  bodyBytes: 1_024,
  headMs: 5_000,
  requestMs: 10_000,
  idleMs: 5_000,
  /** How long a scrape may take, its wait for others and its reader included. */
  scrapeMs: 10_000,
  /** How long open requests may delay the close. */
  closeMs: 5_000,
} as const;

export async function startAdminServer(listen: Address, source: AdminSource): Promise<AdminServer> {
  // The config says so too; said again here, as everything below relies on it.
  if (!isLoopback(listen.host)) {
    throw new Error(`the admin endpoint would be reachable from outside on ${listen.host}: use 127.0.0.1`);
  }
  const server = createServer(
    {
      maxHeaderSize: ADMIN_LIMITS.headBytes,
      headersTimeout: ADMIN_LIMITS.headMs,
      requestTimeout: ADMIN_LIMITS.requestMs,
      keepAliveTimeout: ADMIN_LIMITS.idleMs,
      connectionsCheckingInterval: 1_000,
    },
    async (request, response) => send(request, response, await answer(request, source)),
  );
  server.maxConnections = ADMIN_LIMITS.connections;

  const port = await bind(server, listen);
  return { port, close: () => closeServer(server, source.clock) };
}

type Reply = {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Writes what follows the head, in place of a body. */
  readonly stream?: (response: ServerResponse) => void;
};

/** What the request says besides its path. */
type Asked = {
  /** Behind a path that ends with a slash. */
  readonly rest: string;
  readonly accept: string;
  /** Behind the question mark. */
  readonly query: string;
};

type Route = {
  readonly method: 'GET' | 'POST';
  reply(source: AdminSource, asked: Asked): Reply | Promise<Reply>;
};

const TRACES = '/traces/';

const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/healthz/live', { method: 'GET', reply: () => json(200, { status: 'live' }) }],
  ['/healthz/ready', { method: 'GET', reply: replyReady }],
  ['/metrics', { method: 'GET', reply: replyMetrics }],
  ['/config_dump', { method: 'GET', reply: replyConfigDump }],
  ['/drain', { method: 'POST', reply: replyDrain }],
  ['/tap', { method: 'GET', reply: replyTap }],
  [TRACES, { method: 'GET', reply: replyTrace }],
]);

/** Every request ends in a reply: whatever the source throws becomes a 500. */
async function answer(request: IncomingMessage, source: AdminSource): Promise<Reply> {
  // Before the route is looked up, so that a foreign page learns nothing, not even which paths exist.
  const foreign = findForeign(request);
  const refusal = foreign === null ? refuseBody(request) : problem(403, foreign);
  if (refusal !== null) return refusal;

  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  const route = ROUTES.get(path.startsWith(TRACES) ? TRACES : path);
  if (route === undefined) return problem(404, `there is no ${path}; try ${[...ROUTES.keys()].join(', ')}`);
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  if (method !== route.method) {
    const allow = route.method === 'GET' ? 'GET, HEAD' : route.method;
    return problem(405, `${path} takes ${allow}, not ${request.method}`, { allow });
  }
  try {
    const asked = { rest: path.slice(TRACES.length), accept: request.headers.accept ?? '', query };
    return await route.reply(source, asked);
  } catch (error) {
    return problem(500, error instanceof Error ? error.message : String(error));
  }
}

function replyReady(source: AdminSource): Reply {
  const status = source.readiness();
  if (status !== 'ready') return problem(503, `the sidecar is ${status}`);
  const svid = source.svid();
  return json(200, svid === null ? { status } : { status, svid: showSvid(svid) });
}

function replyMetrics(source: AdminSource, { accept }: Asked): Reply {
  const scrape = source.scrape(accept);
  if (scrape === null)
    return problem(503, 'other scrapes are being answered; scrape less often', { 'retry-after': '1' });
  return {
    status: 200,
    contentType: scrape.contentType,
    body: '',
    stream: (response) => void writeScrape(scrape, response, source.clock),
  };
}

/** An answer that fails on its way, or takes too long, is cut off: its end is missing then. */
async function writeScrape({ slices }: Scrape, response: ServerResponse, clock: Clock): Promise<void> {
  const timer = clock.setTimer(() => response.destroy(), ADMIN_LIMITS.scrapeMs);
  await pipeline(slices, response).catch(() => response.destroy());
  timer.cancel();
}

function replyConfigDump(source: AdminSource): Reply {
  const status = source.configStatus();
  if (status === null) return problem(503, 'the sidecar is starting: no config is in force yet');
  return json(200, buildConfigDump(source.configPath, status, source.svid()));
}

function replyTrace(source: AdminSource, { rest }: Asked): Reply {
  const id = readTraceQuery(rest);
  if (id === null) return problem(400, TRACE_QUERY_HELP);
  const trace = source.findTrace(id);
  if (trace === null) return problem(404, TRACE_UNKNOWN);
  return json(200, { ...trace, asked: 1, answered: 1 });
}

function replyTap(source: AdminSource, { query }: Asked): Reply {
  const answer = answerTap(source.taps(), query);
  if ('problem' in answer) return problem(answer.problem.status, answer.problem.detail);
  return { status: 200, contentType: 'application/x-ndjson', body: '', stream: answer.stream };
}

function replyDrain(source: AdminSource): Reply {
  source.drain();
  return json(202, { status: 'draining' });
}

/** No route reads a body. What a client sends along by habit is let pass and dropped by node:http. */
function refuseBody(request: IncomingMessage): Reply | null {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (request.headers['transfer-encoding'] === undefined && declared <= ADMIN_LIMITS.bodyBytes) return null;
  return problem(413, `a body may have ${ADMIN_LIMITS.bodyBytes} bytes, declared beforehand`, {
    connection: 'close',
  });
}

function json(status: number, value: object): Reply {
  return { status, contentType: 'application/json', body: `${JSON.stringify(value, null, 2)}\n` };
}

/** RFC 9457. `about:blank` says that the title is the status' own. */
function problem(status: number, detail: string, headers: Readonly<Record<string, string>> = {}): Reply {
  const body = { type: 'about:blank', title: STATUS_CODES[status], status, detail };
  return { ...json(status, body), contentType: 'application/problem+json', headers };
}

function send(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
  response.writeHead(reply.status, {
    'content-type': reply.contentType,
    ...(reply.stream === undefined ? { 'content-length': Buffer.byteLength(reply.body) } : {}),
    // Health and config are true at this moment only.
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...reply.headers,
  });
  if (request.method === 'HEAD') response.end();
  else if (reply.stream === undefined) response.end(reply.body);
  else reply.stream(response);
}

function bind(server: Server, listen: Address): Promise<number> {
  return new Promise((resolve, reject) => {
    // Stays on: a later error of accepting must not end the process.
    server.on('error', (error: NodeJS.ErrnoException) =>
      reject(new Error(`admin cannot listen on ${formatAddress(listen)}: ${error.code ?? error.message}`)),
    );
    server.listen(listen.port, listen.host, () => resolve((server.address() as AddressInfo).port));
  });
}

async function closeServer(server: Server, clock: Clock): Promise<void> {
  // Idle connections close at once, and requests in flight may complete, within a bound.
  const closed = new Promise((resolve) => server.close(resolve));
  const timer = clock.setTimer(() => server.closeAllConnections(), ADMIN_LIMITS.closeMs);
  await closed;
  timer.cancel();
}
