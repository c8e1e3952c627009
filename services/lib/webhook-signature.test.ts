import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { signingSecret, signWebhook, TOLERANCE_S, verifyWebhook } from './webhook-signature.ts';

const NOW_MS = 1_614_265_330_000;

test('signs as the test vector that Standard Webhooks libraries share', () => {
  const secret = signingSecret.parse('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
  const headers = signWebhook([secret], 'msg_p5jXN8AQM9LWM0D4loKWxJek', '{"test": 2432232314}', NOW_MS);
  expect(headers).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
});

describe('verifyWebhook', () => {
  const secret = randomBytes(32);
  const body = '{"a":"ü"}';
  const headers = { ...signWebhook([secret], 'id-1', body, NOW_MS) };

  test('accepts whatever was signed, and nothing that differs in id, body or time', () => {
    const texts = fc.string({ unit: 'binary', maxLength: 200 });
    fc.assert(
      fc.property(texts, texts, texts, (id, sent, other) => {
        const signed = { ...signWebhook([secret], id, sent, NOW_MS) };
        expect(verifyWebhook([secret], signed, sent, NOW_MS)).toBe('valid');
        if (Buffer.compare(Buffer.from(other), Buffer.from(sent)) === 0) return;
        expect(verifyWebhook([secret], signed, other, NOW_MS)).toBe('wrong_signature');
        expect(verifyWebhook([secret], { ...signed, 'webhook-id': `${id}x` }, sent, NOW_MS)).toBe(
          'wrong_signature',
        );
        const later = { ...signed, 'webhook-timestamp': '1614265331' };
        expect(verifyWebhook([secret], later, sent, NOW_MS)).toBe('wrong_signature');
      }),
    );
  });

  test('accepts the old and the new secret while one is changed for the other', () => {
    const [old, renewed] = [randomBytes(32), randomBytes(32)];
    const both = { ...signWebhook([renewed, old], 'id-1', body, NOW_MS) };
    for (const known of [old, renewed]) expect(verifyWebhook([known], both, body, NOW_MS)).toBe('valid');
    expect(verifyWebhook([secret], both, body, NOW_MS)).toBe('wrong_signature');
  });

  test.each([
    ['just inside', TOLERANCE_S, 'valid'],
    ['too old', TOLERANCE_S + 1, 'stale_timestamp'],
    ['from the future', -TOLERANCE_S - 1, 'stale_timestamp'],
  ])('judges the age of a message: %s', (_what, ageS, verdict) => {
    expect(verifyWebhook([secret], headers, body, NOW_MS + ageS * 1_000)).toBe(verdict);
  });

  test.each([
    ['no id', { ...headers, 'webhook-id': undefined }, 'missing_header'],
    ['two signatures headers', { ...headers, 'webhook-signature': ['v1,a', 'v1,b'] }, 'missing_header'],
    ['a time that is no number', { ...headers, 'webhook-timestamp': 'now' }, 'stale_timestamp'],
    ['another version', { ...headers, 'webhook-signature': 'v1a,abc' }, 'wrong_signature'],
    ['a short signature', { ...headers, 'webhook-signature': 'v1,YQ==' }, 'wrong_signature'],
    ['an empty signature', { ...headers, 'webhook-signature': '' }, 'wrong_signature'],
  ])('refuses %s', (_what, given, verdict) => {
    expect(verifyWebhook([secret], given, body, NOW_MS)).toBe(verdict);
  });
});

test.each(['whsec_', 'whsec_short', `whsec_${'?'.repeat(40)}`, randomBytes(32).toString('base64')])(
  '%s is no signing secret',
  (text) => expect(signingSecret.safeParse(text).success).toBe(false),
);
