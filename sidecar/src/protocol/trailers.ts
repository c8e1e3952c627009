/**
 * Which fields may come behind a body, whatever protocol it came in (RFC 9110 section 6.5.1).
 */
import { fieldId } from './field-names.ts';
import type { Head } from './head.ts';

/** Behind a body these can only be meant to mislead: routing and framing were decided by the head (RFC 9110 section 6.5.1). */
const REFUSED_TRAILERS = [fieldId('host'), fieldId('content-length'), fieldId('transfer-encoding')];

/** These must not come behind a body either; they are dropped. */
const DROPPED_TRAILERS = [
  'connection',
  'upgrade',
  'expect',
  'te',
  'trailer',
  'keep-alive',
  'authorization',
  'proxy-authorization',
  'proxy-authenticate',
  'proxy-connection',
  'content-type',
  'x-request-id',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-client-cert',
].map((name) => fieldId(name as Parameters<typeof fieldId>[0]));

/** Takes out what must not be forwarded. False when the trailers are not to be forwarded at all. */
export function cleanTrailers(trailers: Head): boolean {
  for (let i = 0; i < REFUSED_TRAILERS.length; i++)
    if (trailers.has(REFUSED_TRAILERS[i] as number)) return false;
  for (let i = 0; i < DROPPED_TRAILERS.length; i++) trailers.drop(DROPPED_TRAILERS[i] as number);
  return true;
}
