import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../core/manual-clock.fixture.ts';
import { NOBODY_DENIED } from './deny-list.ts';
import type { Identity, IdentityEvent } from './identity.ts';
import { type ObtainSvid, PermanentFailure, renewalDelayMs, retryDelayMs, startRotation } from './rotate.ts';
import { NO_FOREIGN_ROOTS, type Svid } from './svid.ts';

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2030, 0, 1);

/** An authority of the test: issues for `lifetimeMs`, is away while `failure` is set, and keeps the time of each attempt. */
class Bench {
  readonly clock = new ManualClock(START_MS);
  readonly events: IdentityEvent[] = [];
  readonly attemptsMs: number[] = [];
  failure: Error | null = null;
  lifetimeMs = HOUR_MS;
  random = 0.5;

  readonly obtain: ObtainSvid = async () => {
    this.attemptsMs.push(this.clock.monotonicMs());
    if (this.failure !== null) throw this.failure;
    return this.createSvid();
  };

  start(): Promise<Identity> {
    return startRotation(this.obtain, {
      clock: this.clock,
      random: () => this.random,
      report: (event) => this.events.push(event),
    });
  }

  kinds(): string[] {
    return this.events.map(({ kind }) => kind);
  }

  createSvid(): Svid {
    const nowMs = this.clock.nowMs();
    return {
      certificatePem: `certificate ${this.attemptsMs.length}`,
      keyPem: '',
      rootsPem: '',
      spiffeId: 'spiffe://a.test/ns/b/sa/c',
      notBeforeMs: nowMs - 300_000,
      notAfterMs: nowMs + this.lifetimeMs,
      denied: NOBODY_DENIED,
      foreign: NO_FOREIGN_ROOTS,
    };
  }
}

describe('rotation', () => {
  it('renews at half of the lifetime, again and again, and tells its listeners', async () => {
    const bench = new Bench();
    const identity = await bench.start();
    const heard: string[] = [];
    identity.onRotated((svid) => heard.push(svid.certificatePem));
    const first = identity.svid;

    await bench.clock.advance(HOUR_MS / 2 - 1);
    expect(identity.svid).toBe(first);
    await bench.clock.advance(1);
    expect(identity.svid.certificatePem).toBe('certificate 2');
    await bench.clock.advance(HOUR_MS);
    expect(heard).toEqual(['certificate 2', 'certificate 3', 'certificate 4']);
    expect(bench.kinds()).toEqual(['rotated', 'rotated', 'rotated']);
    identity.stop();
  });

  it('counts the lifetime from now, not from the backdated start of the certificate', async () => {
    const bench = new Bench();
    bench.lifetimeMs = 10_000;
    const identity = await bench.start();
    await bench.clock.advance(4_999);
    expect(bench.attemptsMs).toEqual([0]);
    await bench.clock.advance(1);
    expect(bench.attemptsMs).toEqual([0, 5_000]);
    identity.stop();
  });

  it('keeps the last good SVID while the authority is away, retries ever more slowly, and recovers', async () => {
    const bench = new Bench();
    bench.random = 0;
    const identity = await bench.start();
    const first = identity.svid;
    bench.failure = new Error('connect ECONNREFUSED');
    await bench.clock.advance(HOUR_MS * 0.9);

    expect(identity.svid).toBe(first);
    const pauses = bench.attemptsMs
      .slice(1)
      .map((timeMs, index, times) => timeMs - (times[index - 1] ?? timeMs));
    expect(pauses.slice(1, 7)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000]);
    expect(Math.max(...pauses)).toBe(15_000);
    expect(bench.kinds().every((kind) => kind === 'renewal_failed')).toBe(true);
    expect(bench.events[0]).toMatchObject({ reason: 'connect ECONNREFUSED', overdue: false });
    expect(bench.events.at(-1)).toMatchObject({ overdue: true });

    bench.failure = null;
    await bench.clock.advance(15_000);
    expect(identity.svid).not.toBe(first);
    expect(bench.events.at(-1)).toMatchObject({ kind: 'rotated' });
    identity.stop();
  });

  it('goes on trying when the token is refused: a person may repair it in time', async () => {
    const bench = new Bench();
    const identity = await bench.start();
    bench.failure = new PermanentFailure('401');
    await bench.clock.advance(HOUR_MS * 0.6);
    bench.failure = null;
    await bench.clock.advance(30_000);
    expect(bench.events.at(-1)).toMatchObject({ kind: 'rotated' });
    identity.stop();
  });

  it('does not accept an SVID that is expired already', async () => {
    const bench = new Bench();
    const identity = await bench.start();
    const first = identity.svid;
    bench.lifetimeMs = 0;
    await bench.clock.advance(HOUR_MS / 2);
    expect(identity.svid).toBe(first);
    expect(bench.events[0]).toMatchObject({
      kind: 'renewal_failed',
      reason: expect.stringContaining('check the clocks'),
    });
    identity.stop();
  });

  it('is not stopped by a listener that throws', async () => {
    const bench = new Bench();
    const identity = await bench.start();
    const heard: string[] = [];
    identity.onRotated(() => {
      throw new Error('broken');
    });
    identity.onRotated((svid) => heard.push(svid.certificatePem));
    await bench.clock.advance(HOUR_MS);
    expect(heard).toHaveLength(2);
    expect(bench.kinds()).toEqual(['rotated', 'listener_failed', 'rotated', 'listener_failed']);
    identity.stop();
  });

  it('tells a listener nothing more once it is taken off', async () => {
    const bench = new Bench();
    const identity = await bench.start();
    const heard: string[] = [];
    const takeOff = identity.onRotated((svid) => heard.push(svid.certificatePem));
    takeOff();
    await bench.clock.advance(HOUR_MS);
    expect(heard).toEqual([]);
    identity.stop();
  });

  it('says once, and on the minute, that nothing renewed it in time, until something does', async () => {
    const bench = new Bench();
    const identity = await bench.start();
    const { notAfterMs } = identity.svid;
    bench.failure = new Error('down');
    await bench.clock.advance(HOUR_MS - 1);
    expect(bench.kinds()).not.toContain('expired');
    expect(identity.expired).toBe(false);
    await bench.clock.advance(1);
    expect(bench.events.at(-1)).toEqual({
      kind: 'expired',
      spiffeId: identity.svid.spiffeId,
      notAfterMs,
    });
    await bench.clock.advance(HOUR_MS);
    expect(bench.kinds().filter((kind) => kind === 'expired')).toHaveLength(1);
    expect(identity.expired).toBe(true);
    bench.failure = null;
    await bench.clock.advance(HOUR_MS / 60);
    expect(identity.expired).toBe(false);
    identity.stop();
    expect(bench.clock.pendingTimers).toBe(0);
  });

  it('leaves no timer behind and ends the request under way when stopped', async () => {
    const bench = new Bench();
    const identity = await bench.start();
    identity.stop();
    expect(bench.clock.pendingTimers).toBe(0);

    let aborted = false;
    const hanging: ObtainSvid = (signal) => {
      if (bench.attemptsMs.push(0) === 2) return Promise.resolve(bench.createSvid());
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          aborted = true;
          reject(signal.reason);
        });
      });
    };
    const second = await startRotation(hanging, {
      clock: bench.clock,
      random: () => 0,
      report: (event) => bench.events.push(event),
    });
    const before = second.svid;
    await bench.clock.advance((HOUR_MS * 3) / 4);
    second.stop();
    await bench.clock.advance(HOUR_MS);
    expect(aborted).toBe(true);
    expect(second.svid).toBe(before);
    expect(bench.events).toEqual([]);
    expect(bench.clock.pendingTimers).toBe(0);
  });
});

describe('the first SVID', () => {
  it('is waited for while the authority is not up yet', async () => {
    const bench = new Bench();
    bench.failure = new Error('connect ECONNREFUSED');
    const starting = bench.start();
    await bench.clock.advance(10_000);
    bench.failure = null;
    await bench.clock.advance(1_000);
    const identity = await starting;
    expect(bench.events[0]).toMatchObject({ kind: 'start_delayed', reason: 'connect ECONNREFUSED' });
    identity.stop();
  });

  it('is given up after a bounded time', async () => {
    const bench = new Bench();
    bench.failure = new Error('connect ECONNREFUSED');
    const outcome = expect(bench.start()).rejects.toThrow('connect ECONNREFUSED');
    await bench.clock.advance(60_000);
    await outcome;
    expect(bench.attemptsMs.at(-1)).toBeLessThanOrEqual(30_000);
    expect(bench.clock.pendingTimers).toBe(0);
  });

  it('is given up at once when only a person can help', async () => {
    const bench = new Bench();
    bench.failure = new PermanentFailure('401');
    await expect(bench.start()).rejects.toThrow('401');
    expect(bench.attemptsMs).toEqual([0]);
  });
});

describe('the schedule', () => {
  const randoms = fc.double({ min: 0, max: 0.999999, noNaN: true });
  const lifetimesMs = fc.integer({ min: 6_000, max: 30 * 24 * HOUR_MS });

  it('has renewed before two thirds of the lifetime when the authority was away for up to a tenth of it', () => {
    fc.assert(
      fc.property(lifetimesMs, randoms, fc.array(randoms, { minLength: 1 }), (lifetimeMs, first, pauses) => {
        const beginMs = renewalDelayMs(lifetimeMs, first);
        const backMs = beginMs + lifetimeMs / 10;
        let attemptMs = beginMs;
        for (let failures = 0; attemptMs < backMs; failures += 1) {
          attemptMs += retryDelayMs(lifetimeMs, failures, pauses[failures % pauses.length] ?? 0);
        }
        expect(beginMs).toBeGreaterThanOrEqual(Math.min(lifetimeMs * 0.45, 2 ** 31 - 1));
        expect(attemptMs).toBeLessThanOrEqual((lifetimeMs * 2) / 3);
      }),
    );
  });

  it('spreads a fleet that started together', () => {
    const delays = [0, 0.5, 0.9].map((random) => Math.round(renewalDelayMs(HOUR_MS, random)));
    expect(delays).toEqual([1_620_000, 1_800_000, 1_944_000]);
  });
});
