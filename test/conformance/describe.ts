import { type Message, type ResponseSequence, statusOf, valuesOf } from './message.ts';

/** New in every exchange, so no part of what two runs of a case have in common. */
const FRESH_FIELDS = new Set(['date', 'traceparent', 'x-request-id']);

/** A message in one string, chunks put together: where chunks are cut may follow the packets, what they carry may not. */
export function describeMessage({ startLine, fields, body, trailers }: Message): string {
  const lines = [...fields, ...trailers]
    .filter(({ name }) => !FRESH_FIELDS.has(name.toLowerCase()))
    .map(({ name, value }) => `${name.toLowerCase()}: ${value}`);
  // A request without Host gets the address of its origin, and each lane has another.
  return [startLine, ...lines, body].join('\n').replace(/^host: 127\.0\.0\.1:\d+$/m, 'host: the origin');
}

export function describeResponse({ interim, final }: ResponseSequence): string {
  // What the proxy says itself names the request.
  const own = valuesOf(final.fields, 'content-type')[0] === 'application/problem+json';
  const end = own ? String(statusOf(final)) : describeMessage(final);
  return [...interim.map(describeMessage), end].join('\n');
}
