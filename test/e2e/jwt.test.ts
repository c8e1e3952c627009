// Bearer tokens at the sidecar of a worker: an issuer that publishes its keys over HTTPS, changes them and goes away; callers over real sockets.
import { once } from 'node:events';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Sidecar } from '../../sidecar/src/app.ts';
import { TestIssuer, type TokenClaims } from '../../sidecar/src/filters/jwt/jwt.fixture.ts';
import { Caller } from './access-fixture.ts';
import { API, GuardedWorker, portOf } from './guarded-worker.ts';
import { send } from './mesh-fixture.ts';
import { metric, until } from './tcp-fixture.ts';

let mesh: GuardedWorker;
let issuer: TestIssuer;
let server: KeyServer;
beforeAll(async () => {
  mesh = await GuardedWorker.start();
  issuer = await TestIssuer.open();
  server = await KeyServer.start(mesh, issuer);
});
afterAll(async () => {
  await mesh.close();
  server.close();
});
beforeEach(() => {
  server.answers = true;
});

/** Publishes the keys of an issuer. */
class KeyServer {
  answers = true;
  asked = 0;
  readonly url: string;
  private readonly server: https.Server;

  private constructor(server: https.Server) {
    this.server = server;
    this.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
  }

  static async start({ authority, folder }: GuardedWorker, issuer: TestIssuer): Promise<KeyServer> {
    const { certificatePem: cert, keyPem: key } = await authority.issueServerCertificate(
      ['127.0.0.1'],
      3_600,
    );
    await folder.write('roots.pem', authority.trustBundle().rootsPem);
    const server = https.createServer({ cert, key });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const keys = new KeyServer(server);
    server.on('request', (_, response) => {
      keys.asked++;
      if (keys.answers) response.end(JSON.stringify(issuer.keySet));
      else response.writeHead(503).end();
    });
    return keys;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

const RULES = [
  { name: 'admins', action: 'allow', when: { claims: [{ name: 'roles', values: ['admin'] }] } },
  { name: 'api', action: 'allow', from: { identities: [API] } },
];

/** Behind a policy that believes the issuer. */
function guardOf({ mode = 'enforce', more = {} }: { mode?: string; more?: object } = {}) {
  const jwks = { url: server.url, rootsFile: 'roots.pem', minRefreshSeconds: 1 };
  const trusted = { name: 'login', issuer: issuer.name, audiences: ['orders'], jwks };
  const rules = RULES.map((rule) => ({ ...rule, to: { ports: [mesh.worker.origin.port] } }));
  return { rules, policies: { JwtPolicy: { mode, issuers: [trusted] }, ...more } };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function ask(sidecar: Sidecar, token: string | null, service = 'batch') {
  const caller = await mesh.caller(service);
  return caller.request(portOf(sidecar, 'http1'), '/', token === null ? {} : bearer(token));
}

const claimsOf = (roles: string[]): TokenClaims => ({ roles });
const tokens = (sidecar: Sidecar, outcome: string) =>
  metric(sidecar, 'tulle_jwt_tokens_total', `outcome="${outcome}"`);

describe('a request with a token', () => {
  let sidecar: Sidecar;
  beforeAll(async () => {
    sidecar = await mesh.guard('jwt', guardOf());
  });

  it('is let in for what the token claims, and the token costs one signature', async () => {
    const token = await issuer.token(claimsOf(['admin']));
    for (let i = 0; i < 3; i++) expect((await ask(sidecar, token)).status).toBe(200);
    expect([await tokens(sidecar, 'verified'), await tokens(sidecar, 'cached')]).toEqual([1, 2]);
    await until(async () => (await mesh.readLog('jwt')).length === 3);
    const line = (await mesh.readLog('jwt')).at(-1);
    expect(line).toMatchObject({ access_rule: 'admins', token_issuer: 'login' });
  });

  it('is denied when it claims too little, as one without a token is', async () => {
    expect((await ask(sidecar, await issuer.token(claimsOf(['dev'])))).status).toBe(403);
    expect((await ask(sidecar, null)).status).toBe(403);
    expect((await ask(sidecar, null, 'api')).status).toBe(200);
  });

  it('is refused when the token is not good, whoever calls', async () => {
    const stranger = await TestIssuer.open();
    const forged = await stranger.token(claimsOf(['admin']));
    const { status, headers, body } = await ask(sidecar, forged, 'api');
    expect(status).toBe(401);
    expect(headers['www-authenticate']).toBe(
      'Bearer error="invalid_token", error_description="its signature is wrong"',
    );
    expect(JSON.parse(body)).toMatchObject({ code: 'invalid_token', source: 'downstream' });
    expect(body).not.toContain(forged.slice(0, 20));
    await until(async () => (await mesh.readLog('jwt')).some(({ failure }) => failure === 'invalid_token'));
    expect(await tokens(sidecar, 'signature')).toBe(1);
  });

  it('has one token', async () => {
    const token = await issuer.token(claimsOf(['admin']));
    const authorization = [`Bearer ${token}`, `Bearer ${token}`];
    const api = await mesh.caller('api');
    const { status } = await api.request(portOf(sidecar, 'http1'), '/', { authorization } as never);
    expect(status).toBe(401);
  });

  it('is told over gRPC in its own words', async () => {
    const api = await mesh.caller('api');
    expect(await api.callGrpc(portOf(sidecar, 'grpc'), bearer('x.y.z'))).toBe('unauthenticated');
  });

  it('over HTTP/2 is judged each for itself', async () => {
    const good = await issuer.token(claimsOf(['admin']));
    const batch = await mesh.caller('batch');
    const statuses = await batch.callStreams(portOf(sidecar, 'http2'), [bearer(good), bearer('x'), {}]);
    expect(statuses).toEqual([200, 401, 403]);
  });

  it('that its caller gives up on while it waits harms nobody', async () => {
    server.answers = false;
    const slow = await mesh.guard('jwt-given-up', guardOf());
    const socket = (await mesh.caller('api')).connect(portOf(slow, 'http1'), 'http/1.1');
    const token = await issuer.token();
    socket.write(`GET / HTTP/1.1\r\nhost: worker\r\nauthorization: Bearer ${token}\r\n\r\n`);
    socket.end();
    socket.destroy();
    expect((await ask(slow, null, 'api')).status).toBe(200);
  });
});

describe('an issuer', () => {
  it('may change its keys; those that it took back are believed no more', async () => {
    const sidecar = await mesh.guard('jwt-rotation', guardOf());
    const old = await issuer.token(claimsOf(['admin']));
    expect((await ask(sidecar, old)).status).toBe(200);
    await issuer.rotate('key-2');
    const fresh = await issuer.token(claimsOf(['admin']));
    // The keys are asked for again at most once a second.
    await until(async () => (await ask(sidecar, fresh)).status === 200);
    expect((await ask(sidecar, old)).status).toBe(401);
  });

  it('that is away costs nobody anything whose key is known', async () => {
    const sidecar = await mesh.guard('jwt-away', guardOf());
    expect((await ask(sidecar, await issuer.token(claimsOf(['admin'])))).status).toBe(200);
    server.answers = false;
    const asked = server.asked;
    const unknown = await issuer.token(claimsOf(['admin']), { kid: 'nobody-knows' });
    await until(async () => {
      expect((await ask(sidecar, unknown)).status).toBe(401);
      return server.asked > asked;
    });
    expect((await ask(sidecar, await issuer.token({ ...claimsOf(['admin']), sub: 'bob' }))).status).toBe(200);
    expect(await metric(sidecar, 'tulle_jwks_loads_total', 'result="failed"')).toBeGreaterThan(0);
    expect(await metric(sidecar, 'tulle_jwks_age_seconds', 'issuer="login"')).toBeGreaterThan(0);
  });

  it('that was never there leaves it open whether a token is good', async () => {
    server.answers = false;
    const sidecar = await mesh.guard('jwt-never', guardOf());
    const { status, headers, body } = await ask(sidecar, await issuer.token(), 'api');
    expect([status, headers['www-authenticate']]).toEqual([503, undefined]);
    expect(JSON.parse(body)).toMatchObject({ code: 'token_unverifiable', source: 'mesh' });
    server.answers = true;
    await until(async () => (await ask(sidecar, await issuer.token(), 'api')).status === 200);
  });
});

describe('in shadow mode', () => {
  it('nothing is refused and everything is known', async () => {
    const sidecar = await mesh.guard('jwt-shadow', guardOf({ mode: 'shadow' }));
    expect((await ask(sidecar, 'x.y.z', 'api')).status).toBe(200);
    expect((await ask(sidecar, await issuer.token(claimsOf(['admin'])))).status).toBe(200);
    expect(await tokens(sidecar, 'malformed')).toBe(1);
    await until(async () => (await mesh.readLog('jwt-shadow')).length === 2);
    expect((await mesh.readLog('jwt-shadow'))[0]).toMatchObject({
      shadow: expect.stringMatching(/^jwt \S+ malformed$/),
      status: 200,
    });
  });
});

describe('a rate limit by claim', () => {
  it('goes by what was verified', async () => {
    const windows = [{ quota: 1, windowSeconds: 3_600 }];
    const limits = [{ name: 'subject', key: [{ claim: 'sub' }], absent: 'skip', windows }];
    const sidecar = await mesh.guard('jwt-limit', guardOf({ more: { RateLimitPolicy: { limits } } }));
    const [ann = '', bob = ''] = await Promise.all(['ann', 'bob'].map((sub) => issuer.token({ sub })));
    const statusOf = async (token: string | null) => (await ask(sidecar, token, 'api')).status;
    // Who makes up a token for bob uses up nothing of his.
    expect(await statusOf(`${bob.slice(0, -8)}AAAAAAAA`)).toBe(401);
    const statuses: number[] = [];
    for (const token of [ann, ann, bob, bob, null, null]) statuses.push(await statusOf(token));
    expect(statuses).toEqual([200, 429, 200, 429, 200, 200]);
  });
});

describe('of a token nothing is told', () => {
  it('by log, metrics or answers', async () => {
    const sidecar = await mesh.guard('jwt-silent', guardOf());
    const token = await issuer.token(claimsOf(['admin']));
    const bodies = [
      await ask(sidecar, token),
      await ask(sidecar, `${token}x`),
      await ask(sidecar, `x${token}`),
    ];
    await until(async () => (await mesh.readLog('jwt-silent')).length === 3);
    const metrics = (await send(sidecar.adminPort, '/metrics', { host: '127.0.0.1' })).body;
    const dump = (await send(sidecar.adminPort, '/config_dump', { host: '127.0.0.1' })).body;
    const told = JSON.stringify([
      ...bodies.slice(1).map(({ headers, body }) => [headers, body]),
      await mesh.readLog('jwt-silent'),
      ...[metrics, dump],
    ]);
    for (const part of token.split('.')) expect(told).not.toContain(part.slice(0, 12));
    expect(told).not.toContain('ann');
  });
});

it('a stranger with a good token is nobody without a certificate', async () => {
  const sidecar = await mesh.guard('jwt-plain', guardOf());
  const token = await issuer.token(claimsOf(['admin']));
  const { status } = await new Caller(null).request(portOf(sidecar, 'http1'), '/', bearer(token));
  expect(status).toBe(0);
});
