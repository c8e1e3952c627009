/** A whole authority in the process of a test: embedded issuer, join tokens and renewal behind the real server. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeyAndCsr } from '../../sidecar/src/identity/csr.ts';
import type { Attestor } from './attestor.ts';
import { createAuthority } from './authority.ts';
import { Denials } from './denials.ts';
import { Federation, type ForeignTrustDomain } from './federation.ts';
import { type IdentityRate, IdentityRates } from './identity-rates.ts';
import type { Decision } from './issuance.ts';
import type { Issuer } from './issuer.ts';
import { JoinTokens } from './join-tokens.ts';
import { createRenewal } from './renewal.ts';
import { type AuthorityServer, startAuthorityServer } from './server.ts';

export const TRUST_DOMAIN = 'a.test';
export const SPIFFE_ID = 'spiffe://a.test/ns/b/sa/c';
export const TTL_SECONDS = 60;

export interface AuthorityUnderTest {
  readonly folder: string;
  readonly issuer: Issuer;
  readonly rootsPem: string;
  readonly tokens: JoinTokens;
  readonly denials: Denials;
  readonly server: AuthorityServer;
  readonly decisions: Decision[];
  /** Moved forward, join tokens and SVIDs are older by that for the authority. */
  aheadMs: number;
  send(path: string, options?: RequestOptions, body?: string): Promise<Answer>;
  /** Sends a request for a certificate, a fresh one unless said. */
  ask(proof: string, options?: RequestOptions, csrPem?: string): Promise<Answer>;
  stop(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

export interface AuthorityUnderTestOptions {
  readonly issuer?: Issuer;
  readonly rate?: IdentityRate;
  readonly svidTtlSeconds?: number;
  readonly foreign?: readonly ForeignTrustDomain[];
  readonly attestors?: readonly (readonly [string, Attestor])[];
}

export async function startAuthorityUnderTest(
  options: AuthorityUnderTestOptions = {},
): Promise<AuthorityUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'tulle-authority-'));
  const issuer = options.issuer ?? (await createAuthority({ trustDomain: TRUST_DOMAIN }));
  const nowMs = () => Date.now() + running.aheadMs;
  const tokens = new JoinTokens(folder, nowMs);
  const denials = await Denials.open(folder, TRUST_DOMAIN, nowMs);
  const renewal = createRenewal({
    trustDomain: TRUST_DOMAIN,
    denials,
    isEnrolled: (spiffeId) => tokens.isEnrolled(spiffeId),
    nowMs,
  });
  const decisions: Decision[] = [];
  const federation = await Federation.open(options.foreign ?? [], folder, () => {});
  const server = await startAuthorityServer({
    issuer,
    attestors: new Map([['join-token', tokens], ['renewal', renewal], ...(options.attestors ?? [])]),
    denials,
    rates: new IdentityRates(options.rate ?? { perSecond: 1_000, burst: 1_000 }),
    listen: { host: '127.0.0.1', port: 0 },
    names: ['ca.demo.svc'],
    svidTtlSeconds: options.svidTtlSeconds ?? TTL_SECONDS,
    trustRefreshSeconds: 1,
    federation,
    report: (decision) => decisions.push(decision),
  });
  const { rootsPem } = issuer.trustBundle();
  const running: AuthorityUnderTest = {
    folder,
    issuer,
    rootsPem,
    tokens,
    denials,
    server,
    decisions,
    aheadMs: 0,
    send: (path, options = {}, body = '') =>
      send({ host: '127.0.0.1', port: server.port, path, ca: rootsPem, agent: false, ...options }, body),
    async ask(proof, options = {}, csrPem) {
      const csr = csrPem ?? (await createKeyAndCsr()).csrPem;
      return running.send(`/v1/svid/${proof}`, { method: 'POST', ...options }, JSON.stringify({ csr }));
    },
    async stop() {
      federation.close();
      await server.stop();
      await rm(folder, { recursive: true });
    },
  };
  return running;
}

export function bearer(token: string): RequestOptions {
  return { headers: { authorization: `Bearer ${token}` } };
}

async function send(options: RequestOptions, body: string): Promise<Answer> {
  const outgoing = request(options);
  outgoing.end(body);
  const [response] = await once(outgoing, 'response');
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return {
    status: response.statusCode,
    contentType: response.headers['content-type'],
    headers: response.headers,
    body: JSON.parse(text),
  };
}
