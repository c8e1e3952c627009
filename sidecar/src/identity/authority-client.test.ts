/** Against servers that only look like an authority. What a real one answers is in enrolment.test.ts. */
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, createServer as createPlainServer } from 'node:net';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { createAuthority } from '../../../mesh/ca/authority.ts';
import { issueSvid } from '../../../mesh/ca/issue-svid.ts';
import type { Issuer } from '../../../mesh/ca/issuer.ts';
import { systemClock } from '../core/clock.ts';
import { ManualClock } from '../core/manual-clock.fixture.ts';
import { type Answer, askAuthority } from './authority-client.ts';
import { PermanentFailure } from './rotate.ts';

const NEVER = new AbortController().signal;

let authority: Issuer;
beforeAll(async () => {
  authority = await createAuthority({ trustDomain: 'a.test' });
});

function ask(port: number, { clock = systemClock, signal = NEVER } = {}): Promise<Answer> {
  const question = {
    url: `https://127.0.0.1:${port}`,
    roots: [authority.trustBundle().rootsPem],
    proof: { kind: 'join-token', token: 'correct-horse-battery-staple' },
    csrPem: 'a request',
  } as const;
  return askAuthority(question, clock, signal);
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

describe('askAuthority', () => {
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

  it.each([400, 401, 403, 404])('takes %i for a no that stays', async (status) => {
    await withServer(
      (_request, response) => {
        response.statusCode = status;
        response.end(JSON.stringify({ detail: 'Because.' }));
      },
      async (port) => {
        await expect(ask(port)).rejects.toThrow(`the authority answered ${status}: Because.`);
        await expect(ask(port)).rejects.toBeInstanceOf(PermanentFailure);
      },
    );
  });

  it.each([
    ['an answer that is not JSON', 200, 'hello', /does not hold certificates and roots/],
    ['an answer without certificates', 200, '{}', /does not hold certificates and roots/],
    ['an endless answer', 200, 'x'.repeat(2_100_000), /larger than/],
    ['an error without a reason', 503, '', /answered 503: no reason given/],
    ['an authority that is asked too often', 429, '', /answered 429/],
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
