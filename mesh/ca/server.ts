/**
 * The authority's HTTPS interface: `POST /v1/svid/<proof>`, `GET /v1/bundle` and two health endpoints.
 *
 * Invariants: TLS 1.3 only, and nothing resumed, so that a certificate of the client is looked at each time. Body size, time and connections are bounded. Every
 * refusal is a problem+json with a stable code, and every decision about a certificate is reported.
 */
import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Address } from '../../sidecar/src/config/address.ts';
import { writeTrustDocument } from '../../sidecar/src/identity/trust-document.ts';
import type { Federation } from './federation.ts';
import { type IssuanceOptions, issueSvid } from './issuance.ts';
import { LIMITS } from './limits.ts';
import { Refusal } from './refusal.ts';
import { startServerCertificate } from './server-certificate.ts';

export interface AuthorityServerOptions extends IssuanceOptions {
  readonly listen: Address;
  /** DNS names and IP addresses of the server certificate, besides those of the local machine. */
  readonly names: readonly string[];
  /** How long sidecars may take to hear of a change of what is to be trusted. */
  readonly trustRefreshSeconds: number;
  readonly federation: Federation;
}

export interface AuthorityServer {
  readonly port: number;
  /** Answers what has begun, refuses what is new. */
  stop(): Promise<void>;
}

const LOCAL_NAMES = ['localhost', '127.0.0.1', '::1'];

export async function startAuthorityServer(options: AuthorityServerOptions): Promise<AuthorityServer> {
  const names = [...new Set([...LOCAL_NAMES, ...options.names])];
  const certificate = await startServerCertificate(options.issuer, names, options.report);
  const server = createServer(
    {
      ...certificate.tlsOptions(),
      // Who has no SVID yet comes without a certificate; what one is worth is for the attestor to say.
      requestCert: true,
      rejectUnauthorized: false,
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
  certificate.follow((tlsOptions) => server.setSecureContext(tlsOptions));

  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      certificate.stop();
      const closed = once(server, 'close');
      server.close();
      const deadline = setTimeout(() => server.closeAllConnections(), LIMITS.stopMs);
      await closed;
      clearTimeout(deadline);
    },
  };
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
        : new Refusal(500, 'internal_error', 'The authority failed; see its log.', {}, error);
    const { status, code, message: detail, cause } = refusal;
    // Whatever is left of the body is not worth reading.
    response.setHeader('connection', 'close');
    for (const [name, value] of Object.entries(refusal.headers)) response.setHeader(name, value);
    const title = STATUS_CODES[status];
    send(response, status, 'application/problem+json', { type: 'about:blank', title, status, code, detail });
    const reported = cause === undefined ? detail : `${detail} (${cause})`;
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

const SVID_PATH = '/v1/svid/';
const BUNDLE_PATH = '/v1/bundle';

async function route(request: IncomingMessage, options: AuthorityServerOptions): Promise<object> {
  const { url = '' } = request;
  if (url.startsWith(SVID_PATH)) {
    requireMethod(request, 'POST');
    return issueSvid(request, url.slice(SVID_PATH.length), options);
  }
  if (url === BUNDLE_PATH) {
    requireMethod(request, 'GET');
    return writeTrustDocument({
      ...options.issuer.trustBundle(),
      refreshSeconds: options.trustRefreshSeconds,
      denied: options.denials.list,
      foreign: options.federation.bundles(),
    });
  }
  if (url === '/healthz/ready' || url === '/healthz/live') {
    requireMethod(request, 'GET');
    return { status: 'ok' };
  }
  throw new Refusal(
    404,
    'not_found',
    `There are ${SVID_PATH}<proof>, ${BUNDLE_PATH}, /healthz/ready and /healthz/live.`,
  );
}

function requireMethod(request: IncomingMessage, method: string): void {
  if (request.method === method) return;
  throw new Refusal(405, 'method_not_allowed', `Use ${method}.`, { allow: method });
}
