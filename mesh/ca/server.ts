/**
 * The authority's HTTPS interface: `POST /v1/svid` and two health endpoints.
 *
 * Invariants: TLS 1.3 only. Who asks is settled before a body is read; body size, time and connections are bounded. Every
 * refusal is a problem+json with a stable code, and every decision about a certificate is reported.
 */
import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import type { Address } from '../../sidecar/src/config/address.ts';
import { InvalidCsr, readCsr } from './csr.ts';
import type { Issuer } from './issuer.ts';
import type { Identify } from './join-tokens.ts';

export interface AuthorityServerOptions {
  readonly issuer: Issuer;
  readonly identify: Identify;
  readonly listen: Address;
  /** DNS names and IP addresses of the server certificate, besides those of the local machine. */
  readonly names: readonly string[];
  readonly svidTtlSeconds: number;
  readonly report: (decision: Decision) => void;
}

export type Decision =
  | { event: 'issued'; spiffeId: string; serialNumber: string; notAfter: string; from: string }
  | { event: 'refused'; code: string; detail: string; from: string };

export interface AuthorityServer {
  readonly port: number;
  /** Answers what has begun, refuses what is new. */
  stop(): Promise<void>;
}

const LIMITS = {
  bodyBytes: 16_384,
  requestMs: 10_000,
  timeoutCheckMs: 1_000,
  connections: 1_024,
  stopMs: 5_000,
} as const;

const LOCAL_NAMES = ['localhost', '127.0.0.1', '::1'];
const SERVER_CERTIFICATE_TTL_SECONDS = 7 * 24 * 3600;
const SERVER_CERTIFICATE_RENEWAL_MS = 24 * 3_600_000;

export async function startAuthorityServer(options: AuthorityServerOptions): Promise<AuthorityServer> {
  const tlsOptions = async () => {
    const names = [...new Set([...LOCAL_NAMES, ...options.names])];
    const { certificatePem, keyPem } = await options.issuer.issueServerCertificate(
      names,
      SERVER_CERTIFICATE_TTL_SECONDS,
    );
    return { cert: certificatePem, key: keyPem, minVersion: 'TLSv1.3' } as const;
  };
  const server = createServer(
    {
      ...(await tlsOptions()),
      handshakeTimeout: LIMITS.requestMs,
      headersTimeout: LIMITS.requestMs,
      requestTimeout: LIMITS.requestMs,
      connectionsCheckingInterval: LIMITS.timeoutCheckMs,
    },
    (request, response) => {
      void answer(request, response, options);
    },
  );
  server.maxConnections = LIMITS.connections;
  server.listen(options.listen.port, options.listen.host);
  await once(server, 'listening');
  const renewCertificate = () => {
    void tlsOptions().then((renewed) => server.setSecureContext(renewed));
  };
  const renewal = setInterval(renewCertificate, SERVER_CERTIFICATE_RENEWAL_MS).unref();
  const unfollow = options.issuer.onChanged(renewCertificate);

  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      clearInterval(renewal);
      unfollow();
      const closed = once(server, 'close');
      server.close();
      const deadline = setTimeout(() => server.closeAllConnections(), LIMITS.stopMs);
      await closed;
      clearTimeout(deadline);
    },
  };
}

/** An answer other than success. */
class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Record<string, string>;

  constructor(status: number, code: string, detail: string, headers: Record<string, string> = {}) {
    super(detail);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: AuthorityServerOptions,
): Promise<void> {
  try {
    const body = await route(request, options);
    send(response, 200, 'application/json', body);
  } catch (error) {
    // The caller went away while its body was read.
    if (request.socket.destroyed) return;
    const refusal =
      error instanceof Refusal
        ? error
        : new Refusal(500, 'internal_error', 'The authority failed; see its log.');
    const { status, code, message: detail } = refusal;
    // Whatever is left of the body is not worth reading.
    response.setHeader('connection', 'close');
    for (const [name, value] of Object.entries(refusal.headers)) response.setHeader(name, value);
    const title = STATUS_CODES[status];
    send(response, status, 'application/problem+json', { type: 'about:blank', title, status, code, detail });
    const reported = refusal === error ? detail : String(error);
    options.report({ event: 'refused', code, detail: reported, from: request.socket.remoteAddress ?? '' });
  }
}

function send(response: ServerResponse, status: number, contentType: string, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  response.end(text);
}

async function route(request: IncomingMessage, options: AuthorityServerOptions): Promise<object> {
  switch (request.url) {
    case '/v1/svid':
      requireMethod(request, 'POST');
      return issueSvid(request, options);
    case '/healthz/ready':
    case '/healthz/live':
      requireMethod(request, 'GET');
      return { status: 'ok' };
    default:
      throw new Refusal(404, 'not_found', 'There are /v1/svid, /healthz/ready and /healthz/live.');
  }
}

function requireMethod(request: IncomingMessage, method: string): void {
  if (request.method === method) return;
  throw new Refusal(405, 'method_not_allowed', `Use ${method}.`, { allow: method });
}

async function issueSvid(request: IncomingMessage, options: AuthorityServerOptions): Promise<object> {
  const { issuer, identify, svidTtlSeconds, report } = options;
  const token = /^Bearer +([\x21-\x7e]+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const spiffeId = token === undefined ? null : identify(token);
  if (spiffeId === null) {
    throw new Refusal(
      401,
      'invalid_token',
      'Authorization must hold a bearer token known to this authority.',
      {
        'www-authenticate': 'Bearer',
      },
    );
  }
  const { csr } = await readBody(request);
  const checked = await readCsr(csr).catch((error: unknown) => {
    throw error instanceof InvalidCsr ? new Refusal(400, 'invalid_csr', error.message) : error;
  });
  const issued = await issuer.sign({ csr: checked, spiffeId, ttlSeconds: svidTtlSeconds });
  const notAfter = new Date(issued.notAfterMs).toISOString();
  const { serialNumber, certificatesPem } = issued;
  report({ event: 'issued', spiffeId, serialNumber, notAfter, from: request.socket.remoteAddress ?? '' });
  return {
    certificates: certificatesPem,
    roots: issuer.trustBundle().rootsPem,
    spiffeId,
    notBefore: new Date(issued.notBeforeMs).toISOString(),
    notAfter,
  };
}

const svidRequest = z.strictObject({ csr: z.string() });

async function readBody(request: IncomingMessage): Promise<z.infer<typeof svidRequest>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Leaving the loop must not destroy the socket: the refusal still has to be sent.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > LIMITS.bodyBytes) {
      throw new Refusal(413, 'body_too_large', `The body is larger than ${LIMITS.bodyBytes} bytes.`);
    }
    chunks.push(chunk);
  }
  try {
    return svidRequest.parse(JSON.parse(Buffer.concat(chunks).toString('utf8')));
  } catch {
    throw new Refusal(400, 'invalid_body', 'The body must be JSON: { "csr": "<PKCS#10 in PEM>" }.');
  }
}
