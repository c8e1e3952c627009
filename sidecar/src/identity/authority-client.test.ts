/** Against a real authority's server, and against servers that only look like one. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, createServer as createPlainServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Authority, createAuthority } from '../../../mesh/ca/authority.ts';
import { issueSvid } from '../../../mesh/ca/issue-svid.ts';
import { createJoinTokens } from '../../../mesh/ca/join-tokens.ts';
import { type AuthorityServer, startAuthorityServer } from '../../../mesh/ca/server.ts';
import { systemClock } from '../core/clock.ts';
import { ManualClock } from '../core/manual-clock.fixture.ts';
import { requestSvid } from './authority-client.ts';
import { PermanentFailure } from './rotate.ts';
import { readSvid, type Svid } from './svid.ts';

const SPIFFE_ID = 'spiffe://a.test/ns/b/sa/c';
const TOKEN = 'correct-horse-battery-staple';
const NEVER = new AbortController().signal;

let folder: string;
let authority: Authority;
let server: AuthorityServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-authority-client-'));
  authority = await createAuthority({ trustDomain: 'a.test' });
  const tokenSha256 = createHash('sha256').update(TOKEN).digest('hex');
  server = await startAuthorityServer({
    issuer: authority,
    identify: createJoinTokens([{ tokenSha256, spiffeId: SPIFFE_ID }]),
    listen: { host: '127.0.0.1', port: 0 },
    names: [],
    svidTtlSeconds: 60,
    report: () => {},
  });
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

beforeEach(async () => {
  await writeFile(join(folder, 'roots.pem'), authority.trustBundle().rootsPem);
  await writeFile(join(folder, 'token'), `${TOKEN}\n`);
});

function ask(
  port: number,
  { clock = systemClock, signal = NEVER, trustDomain = 'a.test' } = {},
): Promise<Svid> {
  const source = {
    kind: 'authority',
    url: `https://127.0.0.1:${port}`,
    rootsFile: join(folder, 'roots.pem'),
    tokenFile: join(folder, 'token'),
  } as const;
  return requestSvid(source, trustDomain, clock, signal);
}

/** A server with a certificate of the authority whose answer the test decides on. */
async function withServer(
  answer: RequestListener,
  use: (port: number) => Promise<void>,
  from = authority,
): Promise<void> {
  const { certificatePem, keyPem } = await from.issueServerCertificate(['127.0.0.1'], 60);
  const lookalike: Server = createServer({ cert: certificatePem, key: keyPem }, answer);
  lookalike.listen(0, '127.0.0.1');
  await once(lookalike, 'listening');
  try {
    await use((lookalike.address() as AddressInfo).port);
  } finally {
    lookalike.closeAllConnections();
    lookalike.close();
  }
}

describe('requestSvid', () => {
  it('gets a working SVID with a fresh key each time', async () => {
    const [first, second] = [await ask(server.port), await ask(server.port)];
    expect(first.spiffeId).toBe(SPIFFE_ID);
    expect(readSvid(first, 'a.test')).toEqual(first);
    expect(second.keyPem).not.toBe(first.keyPem);
  });

  it('fails for good when the token is refused, with the reason of the authority', async () => {
    await writeFile(join(folder, 'token'), 'wrong');
    await expect(ask(server.port)).rejects.toThrow(/answered 401: Authorization must hold a bearer token/);
    await expect(ask(server.port)).rejects.toBeInstanceOf(PermanentFailure);
  });

  it.each(['', 'two words', 'one\ntwo', 'naïve'])('does not send the malformed token "%s"', async (text) => {
    await writeFile(join(folder, 'token'), text);
    await expect(ask(server.port)).rejects.toThrow(/token: must hold one join token/);
  });

  it.each(['token', 'roots.pem'])('names the file %s when it is away', async (name) => {
    await rm(join(folder, name));
    await expect(ask(server.port)).rejects.toThrow(new RegExp(`${name}: cannot be read \\(ENOENT\\)`));
  });

  it('may be repeated when nobody listens', async () => {
    const closed = createPlainServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    await expect(ask(port)).rejects.toThrow(`https://127.0.0.1:${port}: connect ECONNREFUSED`);
    await expect(ask(port)).rejects.not.toBeInstanceOf(PermanentFailure);
  });

  it('shows its token to nobody whom the roots do not vouch for', async () => {
    const impostor = await createAuthority({ trustDomain: 'a.test' });
    let requests = 0;
    await withServer(
      (_, response) => {
        requests += 1;
        response.end();
      },
      async (port) => {
        await expect(ask(port)).rejects.toThrow(/self-signed|unable to/);
      },
      impostor,
    );
    expect(requests).toBe(0);
  });

  it('shows its token to no workload, though the same root signed its certificate', async () => {
    const workload = await issueSvid(authority, { spiffeId: 'spiffe://a.test/ns/b/sa/thief' });
    const thief = { ...authority, issueServerCertificate: async () => workload };
    let requests = 0;
    await withServer(
      (_, response) => {
        requests += 1;
        response.end();
      },
      async (port) => {
        await expect(ask(port)).rejects.toThrow(/altnames/);
      },
      thief,
    );
    expect(requests).toBe(0);
  });

  it.each([
    ['an answer that is not JSON', 200, 'hello', /does not hold certificates and roots/],
    ['an answer without certificates', 200, '{}', /does not hold certificates and roots/],
    ['an endless answer', 200, 'x'.repeat(300_000), /larger than/],
    ['an error without a reason', 503, '', /answered 503: no reason given/],
  ])('refuses %s and may try again', async (_, status, text, reason) => {
    await withServer(
      (_request, response) => {
        response.statusCode = status;
        response.end(text);
      },
      async (port) => {
        await expect(ask(port)).rejects.toThrow(reason);
        await expect(ask(port)).rejects.not.toBeInstanceOf(PermanentFailure);
      },
    );
  });

  it('refuses a certificate for a key that is not its own', async () => {
    const other = await issueSvid(authority, { spiffeId: SPIFFE_ID });
    await withServer(
      (_, response) => {
        response.end(JSON.stringify({ certificates: other.certificatePem, roots: other.rootsPem }));
      },
      (port) => expect(ask(port)).rejects.toThrow('key: it does not belong to the certificate'),
    );
  });

  it('refuses a certificate of another trust domain', async () => {
    await expect(ask(server.port, { trustDomain: 'b.test' })).rejects.toThrow(
      'is not of trust domain b.test',
    );
  });

  it('gives up when there is no answer in time', async () => {
    const clock = new ManualClock(Date.now());
    let arrived = false;
    await withServer(
      () => {
        arrived = true;
      },
      async (port) => {
        const outcome = expect(ask(port, { clock })).rejects.toThrow('no answer within 5000 ms');
        await vi.waitFor(() => expect(arrived).toBe(true));
        await clock.advance(5_000);
        await outcome;
      },
    );
    expect(clock.pendingTimers).toBe(0);
  });

  it('is called off by its signal', async () => {
    const stop = new AbortController();
    await withServer(
      () => stop.abort(),
      (port) => expect(ask(port, { signal: stop.signal })).rejects.toThrow(/aborted/),
    );
  });
});
