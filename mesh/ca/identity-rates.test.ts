import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdentityRates } from './identity-rates.ts';
import { LIMITS } from './limits.ts';

const RATE = { perSecond: 2, burst: 5 };

describe('the rate of an identity', () => {
  it('is its own: one that asks too often costs no other', () => {
    const rates = new IdentityRates(RATE, () => 0);
    for (let round = 0; round < RATE.burst; round++) rates.take('busy');
    expect(() => rates.take('busy')).toThrow('busy asks for more than 2 certificates a second');
    rates.take('quiet');
  });

  it('is refused with 429 and when to come back', () => {
    const rates = new IdentityRates({ perSecond: 0.1, burst: 1 }, () => 0);
    rates.take('a');
    expect(() => rates.take('a')).toThrow(
      expect.objectContaining({ status: 429, code: 'too_many_requests', headers: { 'retry-after': '10' } }),
    );
  });

  it('never gives more than burst and rate allow, however the calls are spread', () => {
    const pauses = fc.array(fc.integer({ min: 0, max: 2_000 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(pauses, (pausesMs) => {
        let nowMs = 0;
        const rates = new IdentityRates(RATE, () => nowMs);
        let given = 0;
        for (const pauseMs of pausesMs) {
          nowMs += pauseMs;
          try {
            rates.take('a');
            given++;
          } catch {
            // Counted by not being given.
          }
          expect(given).toBeLessThanOrEqual(RATE.burst + (nowMs / 1_000) * RATE.perSecond + 1e-6);
        }
      }),
    );
  });

  it('is forgotten for who asked least recently when there are too many', () => {
    const rates = new IdentityRates({ perSecond: 1, burst: 1 }, () => 0);
    for (const id of ['eldest', 'second']) rates.take(id);
    for (let index = 2; index < LIMITS.identities; index++) rates.take(`id ${index}`);
    expect(() => rates.take('eldest')).toThrow('asks for more');
    rates.take('one too many');
    expect(() => rates.take('eldest')).toThrow('asks for more');
    rates.take('second');
  });
});
