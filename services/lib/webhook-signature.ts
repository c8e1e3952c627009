/**
 * Signs and verifies webhooks in the manner of Standard Webhooks (https://www.standardwebhooks.com): headers webhook-id,
 * webhook-timestamp and webhook-signature, the last being HMAC-SHA256 over `id.timestamp.body`.
 *
 * Invariants: the body is signed as the bytes that are sent; comparison takes constant time; a message older or newer than the tolerance
 * is refused, so that a recorded one cannot be replayed later.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';

export interface SignedHeaders {
  'webhook-id': string;
  'webhook-timestamp': string;
  'webhook-signature': string;
}

export type SignatureVerdict = 'valid' | 'missing_header' | 'stale_timestamp' | 'wrong_signature';

export const TOLERANCE_S = 300;

const SECRET_FORM = /^whsec_([A-Za-z0-9+/]{32,88}={0,2})$/;

/** `whsec_` and 24 to 64 random bytes in base64. */
export const signingSecret = z
  .string()
  .regex(SECRET_FORM, 'must be whsec_ followed by base64')
  .transform((text) => Buffer.from(text.slice('whsec_'.length), 'base64'))
  .refine((key) => key.length >= 24 && key.length <= 64, 'must hold 24 to 64 bytes');

/** Several secrets give several signatures: while a secret is changed, receivers with the old and with the new one accept. */
export function signWebhook(
  secrets: readonly Buffer[],
  id: string,
  body: string,
  nowMs: number,
): SignedHeaders {
  const timestamp = String(Math.floor(nowMs / 1_000));
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': secrets
      .map((secret) => `v1,${computeMac(secret, id, timestamp, body).toString('base64')}`)
      .join(' '),
  };
}

export function verifyWebhook(
  secrets: readonly Buffer[],
  headers: Record<string, string | string[] | undefined>,
  body: string,
  nowMs: number,
): SignatureVerdict {
  const id = headers['webhook-id'];
  const timestamp = headers['webhook-timestamp'];
  const signatures = headers['webhook-signature'];
  if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signatures !== 'string') {
    return 'missing_header';
  }
  const ageS = Math.abs(nowMs / 1_000 - Number(timestamp));
  if (!/^\d{1,12}$/.test(timestamp) || ageS > TOLERANCE_S) return 'stale_timestamp';
  const given = signatures
    .split(' ')
    .filter((signature) => signature.startsWith('v1,'))
    .map((signature) => Buffer.from(signature.slice('v1,'.length), 'base64'));
  const matches = secrets.some((secret) => {
    const expected = computeMac(secret, id, timestamp, body);
    return given.some((mac) => mac.length === expected.length && timingSafeEqual(mac, expected));
  });
  return matches ? 'valid' : 'wrong_signature';
}

function computeMac(secret: Buffer, id: string, timestamp: string, body: string): Buffer {
  return createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest();
}
