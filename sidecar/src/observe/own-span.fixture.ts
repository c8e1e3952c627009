/** Spans that wait in a ring, as they would be exported. */
import type { FoundSpan } from './explain/found-span.ts';
import { type OwnResource, readOwnSpan, shownSpan } from './own-span.ts';
import type { SpanRing } from './spans.ts';

export const RESOURCE: OwnResource = {
  'service.name': 'orders',
  'service.namespace': 'prod',
  'service.instance.id': 'orders-1',
  'tulle.component': 'sidecar',
};

export function takeSpans(ring: SpanRing): FoundSpan[] {
  const spans: FoundSpan[] = [];
  ring.take(100, (record) => spans.push(shownSpan(readOwnSpan(record, RESOURCE, 0, null))));
  return spans;
}
