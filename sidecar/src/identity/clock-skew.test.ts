/** Clocks that differ by five minutes, whoever's is right: certificates of an authority ahead or behind in real handshakes, and sidecars ahead or behind of a real authority. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { SPIFFE_ID, startAuthorityUnderTest, TRUST_DOMAIN } from '../../../mesh/ca/authority.fixture.ts';
import { createAuthority } from '../../../mesh/ca/authority.ts';
import { issueSvid } from '../../../mesh/ca/issue-svid.ts';
import { systemClock } from '../core/clock.ts';
import { startEnrolment } from './enrolment.ts';
import type { IdentityEvent } from './identity.ts';
import { renewalDelayMs } from './rotate.ts';
import type { Svid } from './svid.ts';
import { clientTlsOptions, peerSpiffeId, serverTlsOptions } from './trust.ts';

const SKEW_MS = 5 * 60_000;
const TTL_SECONDS = 600;

/** Whether both let the other in. */
async function agree(server: Svid, client: Svid): Promise<boolean> {
  const listener = createServer(serverTlsOptions(server), (socket) => {
    socket.on('error', () => {});
    socket.end(peerSpiffeId(socket, server) ?? '');
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1', ...clientTlsOptions(client, server.spiffeId) });
  let answer = '';
  socket.setEncoding('utf8').on('data', (text) => {
    answer += text;
  });
  socket.on('error', () => {});
  await new Promise((resolve) => socket.on('close', resolve));
  listener.close();
  return answer === client.spiffeId;
}

describe('an authority whose clock differs', () => {
  const issue = async (offsetMs: number) => {
    const authority = await createAuthority({
      trustDomain: TRUST_DOMAIN,
      nowMs: () => Date.now() + offsetMs,
    });
    return issueSvid(authority, { spiffeId: SPIFFE_ID, ttlSeconds: TTL_SECONDS });
  };

  it.each([
    ['five minutes ahead', SKEW_MS, true],
    ['five minutes behind', -SKEW_MS, true],
    ['more than that ahead', SKEW_MS + 60_000, false],
    ['behind by a lifetime', -TTL_SECONDS * 1_000, false],
  ])('%s, gives certificates that count now: %s ms, %s', async (_, offsetMs, counts) => {
    const svid = await issue(offsetMs);
    expect(await agree(svid, svid)).toBe(counts);
  });

  it('while it is set right, leaves old and new certificates good for each other', async () => {
    let offsetMs = SKEW_MS;
    const authority = await createAuthority({
      trustDomain: TRUST_DOMAIN,
      nowMs: () => Date.now() + offsetMs,
    });
    const request = { spiffeId: SPIFFE_ID, ttlSeconds: TTL_SECONDS };
    const ahead = await issueSvid(authority, request);
    offsetMs = -SKEW_MS;
    const behind = await issueSvid(authority, request);
    expect([await agree(ahead, behind), await agree(behind, ahead)]).toEqual([true, true]);
  });
});

describe('a sidecar whose clock differs', () => {
  it.each([
    ['ahead', SKEW_MS],
    ['behind', -SKEW_MS],
  ])(
    'five minutes %s, enrols, and renews before the certificate has ended for anybody',
    async (_, offsetMs) => {
      const folder = await mkdtemp(join(tmpdir(), 'tulle-skew-'));
      const authority = await startAuthorityUnderTest({ svidTtlSeconds: TTL_SECONDS });
      await writeFile(join(folder, 'roots.pem'), authority.rootsPem);
      await writeFile(join(folder, 'token'), await authority.tokens.create(SPIFFE_ID, 60));
      const events: IdentityEvent[] = [];
      const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + offsetMs };
      const identity = await startEnrolment(
        {
          kind: 'authority',
          url: `https://127.0.0.1:${authority.server.port}`,
          rootsFile: join(folder, 'roots.pem'),
          evidence: { kind: 'join-token', file: join(folder, 'token') },
          stateDir: null,
          foreignTrustDomains: [],
        },
        TRUST_DOMAIN,
        { clock, random: Math.random, report: (event) => events.push(event) },
      );
      expect(identity.expired).toBe(false);
      expect(events).toEqual([]);
      const seenLifetimeMs = identity.svid.notAfterMs - clock.nowMs();
      // The latest moment of renewal, in the time of the authority, by which the certificate ends after TTL_SECONDS.
      expect(renewalDelayMs(seenLifetimeMs, 0.999)).toBeLessThan(TTL_SECONDS * 1_000);
      identity.stop();
      await authority.stop();
      await rm(folder, { recursive: true });
    },
  );
});
